"""
Every speed benchmark runs to its end and prints the table of its part of the page.

What they compare is what its name says, and their count of operations is complete.
"""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
import re
import subprocess
import sys

import numpy as np
import pytest
from smaknet_core.ablation.runs import Run
from smaknet_core.config import ModelConfig
from smaknet_core.model import Encoder
import torch
from torch.utils.flop_counter import FlopCounterMode

BENCHMARKS = Path(__file__).resolve().parents[1] / 'benchmarks'
SPEC = importlib.util.spec_from_file_location('run_all', BENCHMARKS / 'run_all.py')
run_all = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(run_all)


@pytest.mark.slow
@pytest.mark.timeout(run_all.TIMEOUT_S + 60)
@pytest.mark.parametrize('script', run_all.PARTS)
def test_prints_its_table(script):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f'{script}.py')],
        capture_output=True,
        text=True,
        timeout=run_all.TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r'^\| --- \|', done.stdout, re.MULTILINE), done.stdout


def test_each_has_its_place_in_the_page():
    page = run_all.PAGE.read_text(encoding='utf-8')
    for script in run_all.PARTS:
        assert f'\nnew table\n<!-- end of {script} -->' in run_all.replace_part(
            page, script, 'new table'
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tracking_is_measured_on_episodes_it_simulates(tmp_path):
    pytest.importorskip('mujoco', reason='needs the simulator: make sim')
    out = tmp_path / 'tracking'
    command = ['tracking.py', '--episodes', '1', '--taught', '2', '--out', str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / 'tracking.json').read_text())['rows']
    by_key = {(row['views'], row['scenario'], row['method']): row for row in rows}
    assert len(by_key) == len(rows) == 2 * 10 * 4
    normal = by_key['all cameras', 'normal', 'filter']
    assert normal['streams'] == 2
    assert normal['mean_error_s'] < by_key['all cameras', 'normal', 'clock']['mean_error_s']
    other = by_key['all cameras', 'other-task', 'filter']
    assert other['auroc'] > max(0.9, other['auroc_all'])
    assert other['mean_error_s'] < 0.5  # of what begins like a pour
    assert {path.name for path in out.iterdir()} > {'tracking.csv', 'tracking.md', 'tracking.png'}


@pytest.fixture
def benchmark_module(monkeypatch):
    """Import a benchmark's module as its scripts do."""
    monkeypatch.setenv('OMP_WAIT_POLICY', 'PASSIVE')  # which timing.py sets; undone afterwards
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_another_task_is_in_the_demonstration_as_far_as_both_begin_alike(benchmark_module):
    streams = benchmark_module('tracking_streams')

    def stream(scenario, script, seconds):
        borders = np.append(0, np.cumsum(seconds)) / sum(seconds)
        times = np.arange(0, sum(seconds), 0.1)
        progress = times / sum(seconds)
        which = np.searchsorted(borders, progress + 1e-9, side='right') - 1
        phases = [script[n] for n in which]
        stamps = np.round(times * 1e9).astype(np.int64)
        return streams.Stream('', scenario, stamps, [{}] * len(times), progress, phases, script,
                              ('a',), '')  # fmt: skip

    taught = stream(streams.NORMAL, ('reach', 'lift', 'pour', 'leave'), (1, 1, 4, 1))
    other = stream(streams.OTHER, ('reach', 'lift', 'swing', 'leave'), (1, 1, 2, 1))
    first, last = other.true_span_s(taught)
    np.testing.assert_allclose(first[:20], other.times_s[:20], atol=0.06)
    np.testing.assert_allclose(last[:20], first[:20], atol=1e-4)
    assert np.isnan(first[20:]).all()  # at the end too, though that is called alike
    elsewhere = stream(streams.OTHER, ('push', 'lift'), (1, 1))
    assert np.isnan(elsewhere.true_span_s(taught)[0]).all()
    np.testing.assert_allclose(taught.true_span_s(taught)[0], taught.times_s, atol=1e-3)


# Parameters and G multiply-adds: those of ResNet and MobileNet as torchvision states them, at
# 224 px; those of ViT-S/14 as timm does, at DINOv2's 518 px (22.06 M, with 9,600 left out here).
PUBLISHED = {
    'resnet18': (224, 11_689_512, 1.814),
    'resnet50': (224, 25_557_032, 4.089),
    'MobileNetV3Small': (224, 2_542_856, 0.057),
    'VisionTransformer': (518, 22_056_576 - 9_600, 46.76),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_networks_are_the_published_ones(benchmark_module, name):
    size, parameters, gmac = PUBLISHED[name]
    make = getattr(benchmark_module('networks'), name)
    with torch.device('meta'):
        network = (make(size) if name == 'VisionTransformer' else make()).eval()
        frame = torch.zeros(1, 3, size, size)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    work = benchmark_module('timing').gflop(network, frame)
    assert work == pytest.approx(2 * gmac, rel=0.01)


def test_attention_counts_as_work(benchmark_module):
    """On a CPU the transformer's operators are fused, and tell a counter nothing."""
    network = benchmark_module('networks').VisionTransformer(128).eval()
    frames = torch.randn(2, 3, 128, 128)
    tokens = 9 * 9 + 1
    linear = tokens * (4 * 384 * 384 + 2 * 384 * 1536)
    attention = 2 * tokens * tokens * 384
    gmac = (12 * (linear + attention) + 81 * 3 * 14 * 14 * 384) / 1e9
    work = benchmark_module('timing').gflop(network, frames)
    assert work == pytest.approx(2 * len(frames) * gmac, rel=1e-9)
    assert torch.backends.mha.get_fastpath_enabled()
    assert network(frames).shape == (2, 384)


@pytest.mark.parametrize('size', [96, 128])
def test_work_of_smaknet_is_all_that_torch_counts(benchmark_module, size):
    """What the engines' limit stands on has no fused operator."""
    network, frame = Encoder(ModelConfig()).eval(), torch.zeros(1, 3, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(frame)
    assert benchmark_module('timing').gflop(network, frame) == counter.get_total_flops() / 1e9


def test_errors_are_means_over_finished_seeds(benchmark_module):
    alternatives = benchmark_module('alternatives')
    found = [('att123', 0.02, ''), ('att123', 0.05, ''), ('att123', math.nan, 'out of memory')]
    found += [('lite0_frozen', 0.04, ''), ('lite0_finetuned', 0.02, '')]
    runs = [
        Run(row, seed, '', '', '', alignment_error=off, error=error)
        for seed, (row, off, error) in enumerate(found)
    ]
    cells = {name: alternatives.alignment_error(name, runs) for name in alternatives.NETWORKS}
    assert set(alternatives.ROWS) <= set(cells)
    assert cells.pop('SMAK-Net Att123') == '3.5% (2)'
    lite0 = cells.pop('SMAK-Net on EfficientNet-Lite0 (weights shipped)')
    assert lite0 == '2.0% (1), frozen 4.0% (1)'
    assert set(cells.values()) == {'-'}
