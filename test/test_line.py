"""
The whole line on real input: bags in, live matches out, over real ROS 2. Run this one first.

Simulates demonstrations of the small world, trains on them as a user would, teaches one episode
that was not trained on from the *front* camera, and plays other unseen ones into the node, which
sees the *side* camera only: as two processes over DDS, this one listening as the third.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
import dataclasses
import json
from pathlib import Path
import shutil

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from smaknet_core import cli  # noqa: E402
from smaknet_core.data.bags import open_recording  # noqa: E402
from smaknet_core.report import measure, Run  # noqa: E402
from smaknet_core.simulation.recorder import record_many  # noqa: E402
from smaknet_core.types import State  # noqa: E402
from smaknet_ros.live import LiveRun  # noqa: E402
from smaknet_ros.rehearsal import CLOCK_ONLY, RAW_PIXELS, rehearse  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
STEPS = 800
# A published match is right when it is this near to the truth, in demonstration seconds ...
TOLERANCE_S = 0.5
# ... and so many of them have to be. Demonstrations are about 10 s long: 5 % of it.
RIGHT_SHARE = 0.85
MEDIAN_S = 0.25
# Of the sets of a scene that is not in the demonstration, at least so many give no match.
SILENT_SHARE = 0.9

Played = Mapping[str, Future[tuple[Run, LiveRun]]]

pytestmark = [pytest.mark.ros, pytest.mark.timeout(900)]


@dataclasses.dataclass(frozen=True)
class World:
    """What the tests of the line share."""

    folder: Path
    model: Path
    demonstration: Path

    @property
    def taught(self) -> Path:
        return self.folder / 'unseen' / 'episode_000'

    def play(self, title: str, bag: Path, **options: object) -> tuple[Run, LiveRun]:
        return rehearse(
            title, self.model, self.demonstration, self.taught, bag, ['side'], **options
        )  # type: ignore[arg-type]


@pytest.fixture(scope='module')
def played(world: World) -> Iterator[Played]:
    """Every stream of these tests at its own pace, three at a time, the longest first."""
    unseen, other = world.folder / 'unseen', world.folder / 'other'
    shuffled = shuffle(unseen / 'episode_001', world.folder / 'shuffled')
    streams: dict[str, tuple[Path, dict[str, object]]] = {
        'rate 0.5': (unseen / 'episode_001', {'rate': 0.5}),
        'rate 1': (unseen / 'episode_002', {}),
        'shuffled': (shuffled, {'known': False}),
        'another task': (other / 'episode_000', {'known': False}),
        'rate 2': (unseen / 'episode_003', {'rate': 2.0}),
        'from 40 %': (unseen / 'episode_001', {'start': '40%'}),
    }
    with ThreadPoolExecutor(3) as pool:
        yield {
            title: pool.submit(world.play, title, bag, **options)
            for title, (bag, options) in streams.items()
        }


def smaknet(*arguments: object) -> None:
    assert cli.main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp('line')
    record_many(folder / 'demos', episodes=14, seed=1)
    record_many(folder / 'unseen', episodes=4, seed=2)
    record_many(folder / 'other', episodes=1, seed=3, scenario='other-task')
    smaknet(
        'train', folder / 'demos', '--out', folder / 'run', '--cache', folder / 'cache',
        '--config', ROOT / 'config' / 'quick.yaml', '--optim.steps', STEPS,
    )  # fmt: skip
    demonstration = folder / 'demonstration.safetensors'
    smaknet(
        'teach', folder / 'run', folder / 'unseen' / 'episode_000', '--cameras', 'front',
        '--out', demonstration,
    )  # fmt: skip
    return World(folder, folder / 'run', demonstration)


def test_held_out_episodes_align_across_views(world: World) -> None:
    figures = world.folder / 'figures.json'
    smaknet(
        'evaluate', world.model, world.folder / 'unseen', '--cache', world.folder / 'cache',
        '--json', figures,
    )  # fmt: skip
    result = json.loads(figures.read_text())
    assert len(result['per_recording']) == 4
    assert result['alignment_error'] <= 0.12
    assert result['alignment_error'] < result['raw_pixels'] / 2


def test_what_is_published_live_is_right(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = ('rate 0.5', 'rate 1', 'rate 2', 'from 40 %')
    runs = {title: played[title].result() for title in titles}
    with capsys.disabled():
        Console().print(_table(runs))
    for title, (run, live) in runs.items():
        assert live.exit_codes == {'smaknet_matcher': 0, 'smaknet_player': 0}, live.logs
        assert len(run.matches) >= 20, title
        assert run.published.mean() >= 0.7, title
        assert _only_published_when_sure(run, live), title
        errors = _errors(run)
        ours = errors['ours']
        assert (ours <= TOLERANCE_S).mean() >= RIGHT_SHARE, title
        assert np.median(ours) <= MEDIAN_S, title
        assert ours.mean() < errors[CLOCK_ONLY].mean(), title
        assert ours.mean() < errors[RAW_PIXELS].mean(), title


def test_frames_in_no_order_give_no_match(
    played: Played,
) -> None:
    run, live = played['shuffled'].result()
    assert len(run.matches) >= 40
    assert 1 - len(live.matches) / len(run.matches) >= SILENT_SHARE


def test_another_task_gives_no_match(played: Played) -> None:
    run, live = played['another task'].result()
    assert len(run.matches) >= 40
    assert 1 - len(live.matches) / len(run.matches) >= SILENT_SHARE
    assert run.matches[-1].state is State.LOST


def shuffle(recording: Path, out: Path) -> Path:
    """Copy a recording with its pictures in random order, stamps and timing as they were."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import get_typestore, Stores

    store = get_typestore(Stores.ROS2_HUMBLE)
    with (
        open_recording(recording, ['side']) as bag,
        Writer(out, version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        rows = list(bag.messages([bag.cameras['side'].name]))
        pictures = np.random.default_rng(0).permutation(len(rows))
        connection = writer.add_connection(rows[0][0].name, rows[0][0].msgtype, typestore=store)
        for (topic, received_ns, cdr), other in zip(rows, pictures, strict=True):
            message = store.deserialize_cdr(cdr, topic.msgtype)
            swapped = store.deserialize_cdr(rows[other][2], topic.msgtype)
            moved = dataclasses.replace(swapped, header=message.header)
            writer.write(connection, received_ns, store.serialize_cdr(moved, topic.msgtype))
    shutil.copy(recording / 'labels.csv', out / 'labels.csv')
    return out


def _errors(run: Run) -> Mapping[str, np.ndarray]:
    """Demonstration seconds off the truth, of each method, where ours was published."""
    answers = {'ours': run.timesteps.astype(np.float64), **run.others}
    errors = {}
    for name, timesteps in answers.items():
        seconds = run.errors_s(timesteps)
        assert seconds is not None
        errors[name] = seconds[run.published]
    return errors


def _only_published_when_sure(run: Run, live: LiveRun) -> bool:
    actionable = {match.stamp_ns for match in run.matches if match.state.actionable}
    return {match.stamp_ns for match in live.matches} <= actionable


def _table(runs: Mapping[str, tuple[Run, LiveRun]]) -> Table:
    table = Table(
        title='Taught from the front, seen from the side: error of what was published, '
        'demonstration seconds (mean / median / share within 0.5 s)'
    )
    for column in ('stream', 'published', 'ours', CLOCK_ONLY, RAW_PIXELS, 'latency p50 / p99'):
        table.add_column(column)
    show: Callable[[np.ndarray], str] = lambda e: (  # noqa: E731
        f'{e.mean():.2f} / {np.median(e):.2f} / {(e <= TOLERANCE_S).mean():.0%}'
    )
    for title, (run, _) in runs.items():
        numbers, cells = measure(run), [show(errors) for errors in _errors(run).values()]
        p50, p99 = numbers.latency_p50_s, numbers.latency_p99_s
        latency = '-' if p50 is None or p99 is None else f'{p50 * 1e3:.0f} / {p99 * 1e3:.0f} ms'
        table.add_row(title, f'{numbers.published:.0%}', *cells, latency)
    return table
