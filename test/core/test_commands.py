"""The commands' arguments: each explained, each example true, none loading torch."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
import re
import shlex
import subprocess
import sys

import pytest
from smaknet_core import commands, learning_commands
from smaknet_core.cli import _parse, class_name, COMMANDS
from smaknet_core.config import load_yaml, TrainConfig

ROOT = Path(__file__).resolve().parents[2]
MODULES = (commands.__name__, learning_commands.__name__)
KINDS = {name: getattr(commands, class_name(name)) for name in COMMANDS}


def test_every_command_is_listed_and_every_listed_one_is_there():
    defined = [
        name
        for name, kind in vars(commands).items()
        if inspect.isclass(kind) and kind.__module__ in MODULES
    ]
    assert sorted(defined) == sorted(map(class_name, COMMANDS))


@pytest.mark.parametrize('name', COMMANDS)
def test_the_examples_are_true(name, monkeypatch):
    """They parse; whether they run is for test_line.py."""
    examples = re.findall(r'^Example: smaknet (.*)$', inspect.getdoc(KINDS[name]), re.MULTILINE)
    assert examples
    monkeypatch.chdir(ROOT)  # config/quick.yaml
    for example in examples:
        words = shlex.split(example)
        assert words[0] == name
        assert isinstance(_parse(name, words[1:]), KINDS[name])


@pytest.mark.parametrize('name', COMMANDS)
def test_every_argument_is_explained(name):
    source = inspect.getsource(KINDS[name])
    for field in dataclasses.fields(KINDS[name]):
        if field.name not in ('settings', 'match'):  # explained in config.py
            assert re.search(rf'\n    {field.name}: .*\n    """[A-Z$a-z].*\.', source), field.name


def test_settings_come_from_the_file_and_then_from_the_command_line():
    path = ROOT / 'config' / 'quick.yaml'
    base = load_yaml(TrainConfig, path)
    given = ['demos', '--out', 'run', '--config', str(path), '--optim.steps', '7']
    parsed = _parse('train', given)
    assert parsed.settings.optim.steps == 7
    optim = dataclasses.replace(base.optim, steps=7)
    assert parsed.settings == dataclasses.replace(base, optim=optim)
    assert (parsed.demos, parsed.out, parsed.resume) == ((Path('demos'),), Path('run'), False)


def test_the_last_settings_file_counts(tmp_path):
    for steps in (3, 4):
        (tmp_path / f'{steps}.yaml').write_text(f'optim: {{steps: {steps}}}')
    files = [f'--config={tmp_path / "3.yaml"}', '--config', str(tmp_path / '4.yaml')]
    parsed = _parse('train', ['demos', '--out', 'run', *files])
    assert parsed.settings.optim.steps == 4


def test_several_of_one_kind():
    parsed = _parse(
        'follow',
        ['bag', '--model', 'm', '--demonstration', 'a', '--demonstration', 'b']
        + ['--cameras', 'left', 'right', '--match.rate-max', '2'],
    )
    assert parsed.demonstration == (Path('a'), Path('b'))
    assert parsed.cameras == ('left', 'right')
    assert parsed.match.rate_max == 2


def test_parsing_loads_no_torch():
    code = (
        'import sys\n'
        'from smaknet_core.cli import _parse\n'
        "_parse('train', ['demos', '--out', 'run'])\n"
        "print({'torch', 'cv2', 'rosbags', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert run.stdout == 'set()\n'
