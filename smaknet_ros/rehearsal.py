"""
A recording played into the real node, judged: what was published, beside truth and baselines.

For the demo, for tests of the whole line, and for trying a model and a demonstration on a
recording of one's own before the robot listens.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from smaknet_core.baselines import clock_only, nearest_raw_image, thumbnail
from smaknet_core.data.bags import open_recording
from smaknet_core.data.sync import synchronise
from smaknet_core.demonstration import Demonstration, load
from smaknet_core.embedder import Embedder
from smaknet_core.report import choose_stamps, Run
from smaknet_core.simulation.truth import correspond, load_progress
from smaknet_core.types import FrameSet, Image, Match, State
from smaknet_ros.live import LiveRun, LiveStatus, play_into_node

CLOCK_ONLY = 'clock only'
RAW_PIXELS = 'raw pixels'
_SPREAD_S = 0.05


def rehearse(
    title: str,
    model: Path,
    demonstration: Path,
    taught: Path,
    bag: Path,
    cameras: Sequence[str] = (),
    *,
    rate: float = 1.0,
    start: str = '0',
    known: bool = True,
    moments: int = 0,
    notes: Sequence[str] = (),
) -> tuple[Run, LiveRun]:
    """
    Play a recording into the matcher node as if it happened now, and judge what it published.

    Args:
        title: of the run, for the report.
        model: model file or run folder.
        demonstration: file to follow.
        taught: the recording it was taught from, with labels.csv.
        bag: the recording to play, with labels.csv unless not `known`.
        cameras: of the recording; empty means all.
        rate: of playing; header stamps follow, so the task is seen done so much faster.
        start: where to begin, seconds or per cent.
        known: whether the scene is in the demonstration at all; otherwise the truth is "nowhere".
        moments: keep frames, matched frames and attention of so many, for the report's film.
        notes: sentences for the report.

    Returns:
        The run with truth and baselines, one match per camera set, and what the listener saw.
    """
    live = play_into_node(
        model, [demonstration], bag, cameras, rate=rate, start=start, stamp='now'
    )
    demo = load(demonstration)
    matches = matches_of(live.statuses, demo)
    published_ns = np.array([match.stamp_ns for match in matches], np.int64)
    recorded_ns = recorded_stamps(published_ns, np.array(sorted(live.sent_ns), np.int64), rate)
    seen = _nearest_sets(_sets(bag, cameras), recorded_ns)
    frames = _frames(matches, seen, moments)
    run = Run(
        title,
        demo,
        matches,
        frames=frames,
        truth=_truth(bag, taught, demo, recorded_ns, known),
        latencies_s=np.array(live.latencies_s),
        attention=_attention(model, frames),
        taught_frames=_taught_frames(taught, demo, matches, frames),
        others={
            CLOCK_ONLY: clock_only(published_ns, demo.times_s).astype(np.float64),
            RAW_PIXELS: nearest_raw_image(seen, _thumbnails(taught, demo)).astype(np.float64),
        },
        recording=bag.name,
        notes=notes,
    )
    return run, live


def matches_of(statuses: Sequence[LiveStatus], demonstration: Demonstration) -> list[Match]:
    """Read ~/match_status back into matches, one per camera set: stale ticks repeat a stamp."""
    matches: dict[int, Match] = {}
    for status in statuses:
        matches.setdefault(status.stamp_ns, _match_of(status, demonstration))
    return list(matches.values())


def recorded_stamps(
    published_ns: NDArray[np.int64], recorded_ns: NDArray[np.int64], rate: float
) -> NDArray[np.int64]:
    """
    Undo the player's `--stamp now`: find which recorded stamp each published one was.

    The player moves stamps by one unknown offset and divides their distances by the rate. The
    right offset is the one that puts every published stamp on a recorded one.

    Args:
        published_ns: N, increasing.
        recorded_ns: M, increasing, N among them.
        rate: of playing.

    Returns:
        N of `recorded_ns`.
    """
    elapsed_ns = (published_ns - published_ns[0]) * rate
    best, found = np.inf, np.zeros(0, np.intp)
    for first in recorded_ns:
        expected = first + np.round(elapsed_ns).astype(np.int64)
        nearest = np.abs(expected[:, None] - recorded_ns[None]).argmin(axis=1)
        misfit = np.abs(expected - recorded_ns[nearest]).max()
        if misfit < best:
            best, found = misfit, nearest
    if best > 1e6:
        raise ValueError(f'published stamps are {best / 1e6:.1f} ms off the recorded ones')
    return recorded_ns[found]


def _match_of(status: LiveStatus, demonstration: Demonstration) -> Match:
    values = status.values
    low, high = (float(edge) for edge in values['interval'].split())
    return Match(
        stamp_ns=status.stamp_ns,
        demonstration=demonstration.name,
        timestep=int(values['timestep']),
        timesteps=int(values['timesteps']),
        time_s=float(values['time']),
        progress=float(values['progress']),
        rate=float(values['rate']),
        distance=float(values['distance']),
        confidence=float(values['confidence']),
        margin=float(values['margin']),
        interval_s=(low, high),
        state=State(status.state),
    )


def _sets(bag: Path, cameras: Sequence[str]) -> list[FrameSet]:
    with open_recording(bag, cameras) as recording:
        # As the node does, a camera that is late is not waited for.
        return list(synchronise(recording.frames(), tuple(recording.cameras), _SPREAD_S))


def _nearest_sets(sets: Sequence[FrameSet], stamps_ns: NDArray[np.int64]) -> list[FrameSet]:
    """Find the sets the node had, N; where it lost a frame, its set began with another one."""
    begun_ns = np.array([frames.stamp_ns for frames in sets], np.int64)
    return [sets[np.abs(begun_ns - stamp_ns).argmin()] for stamp_ns in stamps_ns]


def _frames(
    matches: Sequence[Match], seen: Sequence[FrameSet], moments: int
) -> dict[int, dict[str, Image]]:
    kept = set(choose_stamps(matches, moments))
    return {
        match.stamp_ns: {name: frame.image for name, frame in frames.frames.items()}
        for match, frames in zip(matches, seen, strict=True)
        if match.stamp_ns in kept
    }


def _attention(
    model: Path, frames: Mapping[int, Mapping[str, Image]]
) -> dict[int, dict[str, dict[int, NDArray[np.float32]]]]:
    """Ask the model what it looks at, as the node does for ~/attention."""
    if not frames:
        return {}
    embedder = Embedder.load(model)
    return {
        stamp: {camera: embedder.attention(image) for camera, image in images.items()}
        for stamp, images in frames.items()
    }


def _truth(
    bag: Path, taught: Path, demo: Demonstration, recorded_ns: NDArray[np.int64], known: bool
) -> NDArray[np.float64]:
    """First and last true timestep of each set, N x 2; NaN where there is none."""
    if not known:
        return np.full((len(recorded_ns), 2), np.nan)
    reference = load_progress(taught).at(demo.stamps_ns)
    true = correspond(load_progress(bag).at(recorded_ns), reference)
    return np.stack([true.first, true.last], axis=1)


def _thumbnails(taught: Path, demo: Demonstration) -> dict[str, NDArray[np.float32]]:
    sets = [s for s in _sets(taught, demo.cameras) if s.stamp_ns in set(demo.stamps_ns.tolist())]
    return {c: np.stack([thumbnail(s.frames[c].image) for s in sets]) for c in demo.cameras}


def _taught_frames(
    taught: Path, demo: Demonstration, matches: Sequence[Match], kept: Collection[int]
) -> dict[int, dict[str, Image]]:
    steps = {match.timestep for match in matches if match.stamp_ns in kept}
    wanted = {int(demo.stamps_ns[step]): step for step in steps}
    return {
        wanted[frames.stamp_ns]: {name: frame.image for name, frame in frames.frames.items()}
        for frames in _sets(taught, demo.cameras)
        if frames.stamp_ns in wanted
    }
