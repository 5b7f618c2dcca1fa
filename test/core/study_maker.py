"""Recordings for `smaknet ablate`, studies of tiny networks on them, and what they print."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

from bag_maker import START_NS
from clip_maker import make_bag, make_config, PERIOD_NS
from rich.console import Console
from smaknet_core.ablation import run_ablate, Study
from smaknet_core.ablation.runs import FILE_NAME
from smaknet_core.metrics import ATTRIBUTES

STEPS = 10


def write_labels(folder):
    """Labels at every frame: what changes does so at a third or in the middle."""
    rows = ['stamp_ns,' + ','.join(ATTRIBUTES) + ',phase,progress']
    for step in range(STEPS):
        values = [step > 3, step > 5, 45 * (step > 3), step > 5, step > 5]
        phase = 'reach' if step < 5 else 'pour'
        stamp_ns = START_NS + step * PERIOD_NS
        told = ','.join(str(int(value)) for value in values)
        rows.append(f'{stamp_ns},{told},{phase},{step / (STEPS - 1)}')
    (folder / 'labels.csv').write_text('\n'.join(rows) + '\n')


def make_demos(folder):
    """Four recordings with labels in `folder`."""
    for number in range(4):
        make_bag(folder / f'take_{number}', STEPS, seed=number)
        write_labels(folder / f'take_{number}')
        note = {'task': 'grow', 'ambiguity_floor': 0.01 * number}
        (folder / f'take_{number}' / 'episode.json').write_text(json.dumps(note))
    return folder


def make_study(demos, out, **more):
    """A study whose cells take two steps."""
    base = make_config(2, 2)
    base = dataclasses.replace(base, data=dataclasses.replace(base.data, held_out=0.5))
    given = {'minutes': 0.0, 'only': ('att12', 'att123'), 'cache_dir': demos.parent / 'cache'}
    return Study((demos,), out, base, **{**given, **more})


def ablate(study, **more):
    shown = io.StringIO()
    code = run_ablate(study, console=Console(file=shown, width=250), **more)
    return code, shown.getvalue()


def lines(study):
    with (study.out / FILE_NAME).open(newline='') as file:
        return list(csv.DictReader(file))
