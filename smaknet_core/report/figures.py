"""The report's drawings: matplotlib figures, drawn without a display or global state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
import io
from typing import Any, Literal, TYPE_CHECKING
import warnings

import numpy as np
from smaknet_core.report.run import choose_stamps, measure, Run
from smaknet_core.types import Image, Match, State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Okabe and Ito's colours: told apart with any common colour blindness.
STATE_COLOURS = {
    State.INIT: '#999999',
    State.TRACKING: '#009E73',
    State.AMBIGUOUS: '#E69F00',
    State.LOST: '#D55E00',
    State.STALE: '#CC79A7',
    State.DONE: '#0072B2',
}
OURS, TRUTH, FAINT = '#0072B2', '#1b1f24', '#8b949e'
OTHERS = ('#E69F00', '#CC79A7', '#56B4E9', '#D55E00')
STYLE: Any = {
    'font.family': 'sans-serif',
    'font.size': 10,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.edgecolor': FAINT,
    'axes.labelcolor': TRUTH,
    'axes.titlesize': 11,
    'axes.titleweight': 'bold',
    'axes.titlelocation': 'left',
    'xtick.color': TRUTH,
    'ytick.color': TRUTH,
    'grid.color': '#e4e7eb',
    'axes.grid': True,
    'axes.axisbelow': True,
    'legend.frameon': False,
}


def draw_overview(run: Run, frames: int = 8) -> bytes:
    """Draw one picture of a run, as PNG: frames beside matched frames, and all the charts."""
    from matplotlib.figure import Figure

    with styled():
        stamps = choose_stamps(run.matches, frames, run.frames)
        rows = len(frame_rows(run, stamps)) if stamps else 0
        figure = Figure(figsize=(16, 6.6 + 1.62 * rows), dpi=100, layout='constrained')
        parts: Any = figure.subfigures(2, 1, height_ratios=[max(1.62 * rows, 0.01), 6.2])
        figure.suptitle(
            f'{plain(run.title)}  ·  taught: {plain(run.demonstration.name)}',
            fontsize=14,
            fontweight='bold',
            x=0.01,
            ha='left',
        )
        if stamps:
            _draw_frames(parts[0], run, stamps)
        _draw_charts(parts[1], run, stamps)
        return png(figure)


def draw_charts(run: Run) -> bytes:
    """Draw timestep against truth, confidence, states and latency, as PNG."""
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(13, 6.2), dpi=130, layout='constrained')
        _draw_charts(figure, run, choose_stamps(run.matches, 8, run.frames))
        return png(figure)


def frame_rows(run: Run, stamps: Sequence[int]) -> list[tuple[str, str]]:
    """Rows of the frame grid: ('live' or 'taught', camera), a camera's two below each other."""
    live = dict.fromkeys(camera for stamp in stamps for camera in run.frames[stamp])
    taught = run.demonstration.cameras
    rows = []
    for camera in live:
        rows.append(('live', camera))
        rows += [('taught', camera)] if camera in taught else []
    return rows + [('taught', camera) for camera in taught if camera not in live]


def taught_frame(run: Run, match: Match, camera: str) -> Image | None:
    """
    Find the matched frame, H x W x 3: the demonstration's thumbnail if there is nothing sharper.

    None when the match names another demonstration than the run's.
    """
    if match.demonstration != run.demonstration.name:
        return None
    sharper = run.taught_frames.get(match.timestep, {})
    if camera in sharper:
        return sharper[camera]
    view = run.demonstration.cameras.index(camera)
    thumbnail: Image = run.demonstration.thumbnails[match.timestep, view]
    return thumbnail


def plain(text: str, most: int = 80) -> str:
    """Make text safe for matplotlib: no markup, nothing unprintable, not endless."""
    shown = ''.join(char if char.isprintable() else '?' for char in text)
    shown = shown if len(shown) <= most else shown[: most - 1] + '…'
    # Labels that begin with an underscore are left out of legends.
    return (' ' + shown if shown.startswith('_') else shown).replace('$', r'\$')


def _draw_frames(figure: SubFigure, run: Run, stamps: Sequence[int]) -> None:
    rows = frame_rows(run, stamps)
    grid = figure.subplots(len(rows), len(stamps), squeeze=False)
    for column, stamp in enumerate(stamps):
        match = run.match_at(stamp)
        seconds = (stamp - run.matches[0].stamp_ns) / 1e9
        for axes, (kind, camera) in zip(grid[:, column], rows, strict=True):
            axes.set(xticks=[], yticks=[])
            if kind == 'live':
                _show(axes, run.frames[stamp].get(camera), FAINT, 1.0)
            else:
                shown = 1.0 if match.state.actionable else 0.35
                image = taught_frame(run, match, camera)
                _show(axes, image, STATE_COLOURS[match.state], shown)
            if column == 0:
                axes.set_ylabel(f'{kind}\n{plain(camera, 16)}', fontsize=9)
        grid[0, column].set_title(f'{seconds:.1f} s', fontsize=10, loc='center')
        grid[-1, column].set_xlabel(_caption(match), fontsize=9)


def _caption(match: Match) -> str:
    if not match.state.actionable:
        return match.state.value
    return f'step {match.timestep} · {match.time_s:.1f} s · {100 * match.confidence:.0f} %'


def _show(axes: Axes, image: Image | None, colour: str, alpha: float) -> None:
    axes.grid(visible=False)
    if image is not None:
        axes.imshow(image, alpha=alpha, interpolation='lanczos')
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2.5)


def _draw_charts(figure: Figure | SubFigure, run: Run, stamps: Sequence[int]) -> None:
    latency = run.latencies_s is not None and len(run.latencies_s) > 0
    # Two grids, so that the left column's charts stand close whatever the right one needs.
    columns = figure.add_gridspec(1, 2, width_ratios=[2.6, 1])
    left = columns[0].subgridspec(3, 1, height_ratios=[4.4, 1.5, 0.35])
    right = columns[1].subgridspec(2, 1, height_ratios=[1.5, 1])
    track = figure.add_subplot(left[0])
    confidence = figure.add_subplot(left[1], sharex=track)
    states = figure.add_subplot(left[2], sharex=track)
    _draw_track(track, run, stamps)
    _draw_confidence(confidence, run)
    _draw_states(states, run)
    for axes in (track, confidence):
        axes.tick_params(labelbottom=False)
    _draw_error(figure.add_subplot(right[0]), run)
    if latency:
        _draw_latency(figure.add_subplot(right[1]), run)


def _draw_track(axes: Axes, run: Run, stamps: Sequence[int]) -> None:
    times, named = run.times_s, run.named
    published, withheld = run.published & named, ~run.published & named
    demonstration = run.demonstration
    steps = np.arange(len(demonstration))
    low, high = (
        np.interp([m.interval_s[end] for m in run.matches], demonstration.times_s, steps)
        for end in (0, 1)
    )
    if published.any():
        axes.fill_between(times, low, high, where=published.tolist(), color=OURS, alpha=0.18,
                          lw=0, label='90 % interval')  # fmt: skip
    truth = run.true_range()
    if truth is not None and not np.isnan(truth[0]).all():
        axes.plot(times, (truth[0] + truth[1]) / 2, color=TRUTH, lw=1.4, label='truth')
    for (name, answers), colour in zip(run.others.items(), OTHERS, strict=False):
        axes.plot(times, answers, color=colour, lw=0, marker='x', ms=3, alpha=0.6,
                  label=plain(name, 30))  # fmt: skip
    if published.any():
        axes.plot(times[published], run.timesteps[published], color=OURS, lw=0, marker='o', ms=4,
                  label='match, published')  # fmt: skip
    if withheld.any():
        axes.plot(times[withheld], run.timesteps[withheld], color=FAINT, lw=0, marker='.',
                  ms=4, label='match, withheld')  # fmt: skip
    for stamp in stamps:
        axes.axvline((stamp - run.matches[0].stamp_ns) / 1e9, color=FAINT, lw=0.6, ls=':')
    axes.set_title('Where in the demonstration')
    axes.set_ylabel('timestep')
    axes.set_ylim(-0.03 * len(steps), 1.03 * len(steps))
    _legend(axes, 'upper left')


def _draw_confidence(axes: Axes, run: Run) -> None:
    confidence = [match.confidence for match in run.matches]
    axes.plot(run.times_s, confidence, color=OURS, lw=1.4)
    axes.fill_between(run.times_s, confidence, color=OURS, alpha=0.10, lw=0)
    axes.set(ylim=(0, 1.04), ylabel='confidence', yticks=[0, 0.5, 1])


def _draw_states(axes: Axes, run: Run) -> None:
    from matplotlib.patches import Patch

    times = run.times_s
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.1
    edges = np.append(times, times[-1] + max(step, 1e-3))
    for match, start, end in zip(run.matches, edges[:-1], edges[1:], strict=True):
        if end > start:  # a restarted stream steps back
            axes.axvspan(start, end, color=STATE_COLOURS[match.state], lw=0)
    axes.set(yticks=[], ylim=(0, 1), xlim=(edges[0], edges[-1]))
    axes.set_xlabel('seconds of the stream', loc='left')
    axes.grid(visible=False)
    occurring = measure(run).states
    handles = [
        Patch(color=STATE_COLOURS[state], label=f'{state.value} {100 * share:.0f} %')
        for state, share in occurring.items()
    ]
    axes.legend(handles=handles, loc='upper right', bbox_to_anchor=(1.0, -0.95), ncol=6,
                fontsize=9, handlelength=1.0, borderaxespad=0.0, columnspacing=1.2)  # fmt: skip


def _draw_error(axes: Axes, run: Run) -> None:
    """How often an answer is within so many seconds: higher and further left is better."""
    axes.set_title('Share of answers within')
    errors = run.match_errors_s()
    if errors is None or np.isnan(errors).all():
        text = (
            'no truth known' if errors is None else 'not in the demonstration:\nsilence is right'
        )
        axes.text(0.5, 0.5, text, ha='center', va='center', transform=axes.transAxes, color=FAINT)
        axes.set(xticks=[], yticks=[])
        return
    reach = max(1.0, 0.5 * run.demonstration.duration_s)
    lines = [('ours, published', errors[run.published], OURS, 2.2)]
    for (name, answers), colour in zip(run.others.items(), OTHERS, strict=False):
        told = run.errors_s(answers)
        if told is not None:
            lines.append((plain(name, 24), told, colour, 1.3))
    for name, told, colour, width in lines:
        told = np.sort(told[~np.isnan(told)])
        if len(told):
            share = np.arange(1, len(told) + 1) / len(told)
            axes.step(np.append(told, reach), np.append(share, 1.0), where='post', color=colour,
                      lw=width, label=name)  # fmt: skip
    axes.set(xlim=(0, reach), ylim=(0, 1.02), xlabel='error, demonstration seconds')
    _legend(axes, 'lower right')


def _draw_latency(axes: Axes, run: Run) -> None:
    values = 1e3 * np.asarray(run.latencies_s)
    median, late = np.quantile(values, [0.5, 0.99])
    top = max(1.25 * late, 1e-3)
    axes.hist(np.minimum(values, top), bins=40, range=(0, top), color=OURS, alpha=0.75)
    for value, style in ((median, '-'), (late, '--')):
        axes.axvline(value, color=TRUTH, lw=1.2, ls=style)
    axes.set_title(f'Latency p50 {median:.1f}, p99 {late:.1f} ms')
    axes.set(xlabel='milliseconds', ylabel='sets', xlim=(0, top))


def _legend(axes: Axes, place: Literal['upper left', 'lower right']) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=place, fontsize=9)


def styled() -> AbstractContextManager[None]:
    """Draw in the report's style within this."""
    from matplotlib import rc_context

    return rc_context(STYLE)


def png(figure: Figure) -> bytes:
    """Give a drawn figure as a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the page has it in full.
        warnings.filterwarnings('ignore', message='Glyph .* missing')
        figure.savefig(buffer, format='png', facecolor='white')
    return buffer.getvalue()
