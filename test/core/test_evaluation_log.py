"""`smaknet evaluate --log`: each use a line, said beforehand; a damaged file stops everything."""

from __future__ import annotations

import io
import json

from clip_maker import make_bag, make_clip, make_model
import pytest
from rich.console import Console
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.cli import main
from smaknet_core.errors import ConfigError, DataError
from smaknet_core.evaluation import log, run_evaluate
from smaknet_core.types import Clip

MINUTE_NS = 60 * 10**9


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    make_model(out / MODEL_NAME)
    return out


@pytest.fixture(scope='module')
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp('demos')
    make_bag(folder / 'one', 8, seed=1)
    return folder


def run(model, demos, log_path):
    shown = io.StringIO()
    console = Console(file=shown, width=200)
    cache = demos.parent / 'cache'
    result = run_evaluate(
        model, [demos], log_path=log_path, cache_dir=cache, device='cpu', console=console
    )
    return result, shown.getvalue()


def test_every_use_is_a_line_and_is_counted(model, demos, tmp_path):
    path = tmp_path / 'uses.jsonl'
    result, shown = run(model, demos, path)
    assert f'this recording was not evaluated before (by {path})' in shown
    first = path.read_bytes()
    _, shown = run(model, demos, path)
    assert path.read_bytes().startswith(first), 'appended'
    uses = log.read_log(path)
    assert f'this recording was evaluated 1 time before: {uses[0].time[:10]} (by' in shown
    assert len(uses) == 2
    line = json.loads(first)
    assert line['alignment_error'] == result['alignment_error']
    assert line['classification_error'] is None, 'no labels'
    assert line['recordings'] == ['one']
    assert line['time'].endswith('+00:00')
    assert len(line['model_hash']) == 64
    assert line['model'] == str(model)
    assert line['code']


def later(name, minutes):
    clip = make_clip(name, 4)
    return Clip(clip.name, clip.task, clip.stamps_ns + minutes * MINUTE_NS, clip.views)


def use(day, *clips):
    result = {'alignment_error': 0.1, 'classification_error': 0.2}
    noted = log.use_of(result, 'model', 'hash', [clip.name for clip in clips], clips)
    return log.Use(**{**vars(noted), 'time': f'2026-11-{day:02d}T10:00:00+00:00'})


def test_recordings_are_the_same_where_they_begin_together():
    a, b, c = later('episode_000', 0), later('episode_001', 1), later('episode_002', 2)
    namesake = later('episode_000', 7)
    uses = [use(1, a, b), use(2, c, b, a), use(3, a), use(4, namesake)]
    assert log.told(uses, [a, b]) == (
        'these 2 recordings were evaluated 2 times before: 2026-11-01, 2026-11-02; '
        'some of them 1 time more: 2026-11-03'
    )
    assert log.told(uses, [c]) == 'this recording was evaluated 1 time before: 2026-11-02'
    assert log.told(uses, [later('x', 9)]) == 'this recording was not evaluated before'
    many = [use(day, a) for day in range(1, 9)]
    assert log.told(many, [a]).endswith(
        '8 times before: ... 2026-11-04, 2026-11-05, 2026-11-06, 2026-11-07, 2026-11-08'
    )


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('{GOOD}\nnonsense\n', 2),
        ('{GOOD}\n{GOOD}', 2),  # cut: what is appended would be glued to it
        ('{GOOD}\n\n{GOOD}\n', 2),
        ('{"time": "2026-11-26"}\n', 1),
        ('[]\n', 1),
        ('\x00\n', 1),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(model, demos, tmp_path, text, line):
    good = json.dumps(vars(use(1, make_clip('one', 4))))
    path = tmp_path / 'uses.jsonl'
    path.write_text(text.replace('{GOOD}', good))
    before = path.read_bytes()
    with pytest.raises(DataError, match=rf'uses\.jsonl, line {line}: damaged .*nothing was eval'):
        run(model, demos, path)
    assert path.read_bytes() == before


def test_a_log_that_cannot_be_written_shows_no_figure(model, demos, tmp_path):
    with pytest.raises(ConfigError, match='there is no folder'):
        run(model, demos, tmp_path / 'missing' / 'uses.jsonl')
    with pytest.raises(ConfigError, match='cannot be read'):
        run(model, demos, tmp_path)


def test_it_is_one_line_to_a_user(model, demos, tmp_path, capsys):
    (tmp_path / 'uses.jsonl').write_text('{}\n')
    given = [str(model), str(demos), '--log', str(tmp_path / 'uses.jsonl')]
    assert main(['evaluate', *given, '--device', 'cpu']) == 2
    printed, complaint = capsys.readouterr()
    assert printed == ''
    assert complaint.count('\n') == 1
    assert 'uses.jsonl, line 1: damaged (other fields than expected)' in complaint
