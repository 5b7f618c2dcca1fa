"""`smaknet export`: an .onnx that says what it is of and how well it agrees."""

from __future__ import annotations

import dataclasses
import json
import shutil

from clip_maker import frames, make_bag, SIZE
import numpy as np
import pytest
from smaknet_core.cli import main
from smaknet_core.embedder import Embedder
from smaknet_core.engines import OnnxEngine
from smaknet_core.engines.onnx_file import to_text

ONNX = 'model.onnx'


@pytest.fixture
def run(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / 'run')


def test_the_file_says_what_it_is(exported):
    facts = OnnxEngine(exported / ONNX).facts
    assert facts.model_hash == Embedder.load(exported, 'cpu').model_hash
    assert (facts.height, facts.width, facts.precision) == (SIZE, SIZE, 'float32')
    assert 0 <= facts.max_difference <= 1e-4
    assert facts.frames_compared == 16
    assert json.loads(to_text(facts)) == dataclasses.asdict(facts)
    assert b'site-packages' not in (exported / ONNX).read_bytes(), 'paths of this machine'


def test_never_overwrites(run, capsys):
    before = (run / ONNX).read_bytes()
    assert main(['export', str(run)]) == 2
    assert 'exists and is never overwritten' in capsys.readouterr().err
    assert (run / ONNX).read_bytes() == before


def test_without_the_packages(run, monkeypatch, capsys):
    monkeypatch.setattr('smaknet_core.export.NEEDED', ('onnx', 'onnx_of_tomorrow'))
    assert main(['export', str(run), '--out', str(run / 'other.onnx')]) == 2
    said = capsys.readouterr().err
    assert said == 'smaknet export: export needs onnx_of_tomorrow: pip install onnx_of_tomorrow\n'


def test_int8_says_what_it_costs(exported, run, tmp_path, capsys, monkeypatch):
    (run / ONNX).unlink()
    plain = OnnxEngine(exported / ONNX).facts
    monkeypatch.setattr(  # it takes seconds, and the fixture has done it
        'smaknet_core.export._write_plain',
        lambda _, path: shutil.copy(exported / ONNX, path) and plain,
    )
    bag = make_bag(tmp_path / 'bag')
    cache = str(tmp_path / 'cache')
    assert main(['export', str(run), '--int8', str(bag), '--cache', cache]) == 0
    assert 'alignment error' in capsys.readouterr().out
    facts = OnnxEngine(run / ONNX).facts
    assert facts.precision == 'int8'
    assert facts.alignment_error_torch is not None
    assert abs(facts.alignment_error - facts.alignment_error_torch) < 0.05
    one, other = (Embedder.load(run, 'cpu', engine=name) for name in ('torch', 'onnx'))
    views = list(frames(24))
    assert 1e-5 < np.abs(one.embed(views) - other.embed(views)).max() < 0.2


@pytest.mark.slow
def test_a_result_that_differs_is_not_written(run, monkeypatch, capsys):
    monkeypatch.setattr('smaknet_core.export.difference', lambda *_: float('nan'))
    out = run / 'other.onnx'
    assert main(['export', str(run), '--out', str(out)]) == 2
    assert 'nothing was written' in capsys.readouterr().err
    assert not out.exists()
