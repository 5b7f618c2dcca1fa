"""The page's charts: what a followed stream looks like over time, and how far off it was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from smaknet_core.report.drawing import (
    Area,
    band,
    chart,
    dots,
    legend,
    line,
    SPAN,
    stairs,
    ticks,
)
from smaknet_core.report.run import measure, Run
from smaknet_core.types import State

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
BINS = 40


def stream_span(run: Run) -> tuple[float, float]:
    """First and last second that charts over the stream cover; never empty."""
    times = run.times_s
    first, last = float(times.min()), float(times.max())
    return first, max(last, first + 0.1)


def draw_track(run: Run) -> str:
    """Matched timestep over the stream: truth, matches, interval, simpler methods."""
    demonstration, times = run.demonstration, run.times_s
    steps = np.arange(len(demonstration), dtype=np.float64)
    area = Area(stream_span(run), (-0.03 * len(steps), 1.03 * len(steps)))
    ends = np.array([match.interval_s for match in run.matches]).T
    low, high = (np.interp(end, demonstration.times_s, steps) for end in ends)
    told, withheld = run.published & run.named, ~run.published & run.named
    answers = run.timesteps.astype(np.float64)
    shapes = [band(area, times[part], low[part], high[part], OURS) for part in _stretches(told)]
    entries = [('band', OURS, '90 % interval')] if told.any() else []
    for (name, others), colour in zip(run.others.items(), OTHERS, strict=False):
        shapes.append(dots(area, times, others, colour, 3))
        entries.append(('dot', colour, name))
    truth = run.true_range()
    if truth is not None and not np.isnan(truth[0]).all():
        shapes.append(line(area, times, (truth[0] + truth[1]) / 2, TRUTH, 1.5))
        entries.append(('line', TRUTH, 'truth'))
    for part, colour, name in (
        (withheld, FAINT, 'match, withheld'),
        (told, OURS, 'match, published'),
    ):
        if part.any():
            shapes.append(dots(area, times[part], answers[part], colour, 6))
            entries.append(('dot', colour, name))
    return chart(
        'Where in the demonstration: timestep',
        area,
        shapes,
        x_labels={},
        y_labels={tick: f'{tick:g}' for tick in ticks(0, len(steps) - 1, 5)},
        kind='track',
        names=legend(entries),
    )


def draw_confidence(run: Run) -> str:
    """Confidence over the stream."""
    area = Area(stream_span(run), (0.0, 1.04))
    confidence = np.array([match.confidence for match in run.matches])
    shapes = [
        band(area, run.times_s, np.zeros(len(confidence)), confidence, OURS),
        line(area, run.times_s, confidence, OURS, 1.5),
    ]
    labels = {0.0: '0', 0.5: '50 %', 1.0: '100 %'}
    return chart('Confidence', area, shapes, {}, labels, 'confidence')


def draw_states(run: Run) -> str:
    """States over the stream as a coloured bar, with each one's share."""
    area = Area(stream_span(run), (0.0, 1.0))
    edges = np.append(area.across(run.times_s), SPAN)
    states = [match.state for match in run.matches]
    begun = [n for n, state in enumerate(states) if n == 0 or state != states[n - 1]]
    shapes = [
        f'<rect x="{edges[start]:.1f}" y="0" width="{edges[end] - edges[start]:.1f}" '
        f'height="{SPAN}" fill="{STATE_COLOURS[states[start]]}"/>'
        for start, end in zip(begun, [*begun[1:], len(states)], strict=True)
        if edges[end] > edges[start]  # a restarted stream steps back
    ]
    entries = [
        ('band', STATE_COLOURS[state], f'{state.value} {100 * share:.0f} %')
        for state, share in measure(run).states.items()
    ]
    labels = {tick: f'{tick:g} s' for tick in ticks(*area.x, 10)}
    return chart('State', area, shapes, labels, {}, 'states', legend(entries))


def draw_errors(run: Run) -> str:
    """How often an answer is within so many seconds: higher and further left is better."""
    errors = run.match_errors_s()
    told = [] if errors is None else [('smaknet, published', errors[run.published], OURS, 2.5)]
    for (name, answers), colour in zip(run.others.items(), OTHERS, strict=False):
        wrong = run.errors_s(answers)
        told += [] if wrong is None else [(name, wrong, colour, 1.5)]
    told = [(name, np.sort(e[~np.isnan(e)]), colour, wide) for name, e, colour, wide in told]
    told = [line for line in told if len(line[1])]
    if not told:
        return ''
    reach = max(1.0, 0.5 * run.demonstration.duration_s)
    area = Area((0.0, reach), (0.0, 1.02))
    shapes = [stairs(area, wrong, colour, wide) for _, wrong, colour, wide in told]
    return chart(
        'Share of answers within so many seconds of the truth',
        area,
        shapes,
        {tick: f'{tick:g} s' for tick in ticks(0, reach, 5)},
        {share: f'{100 * share:.0f} %' for share in (0.0, 0.25, 0.5, 0.75, 1.0)},
        'errors',
        legend([('line', colour, name) for name, _, colour, _ in told]),
    )


def draw_latency(run: Run) -> str:
    """Time from a frame to its match, as a histogram with its median and 95th percentile."""
    if run.latencies_s is None or not len(run.latencies_s):
        return ''
    values = 1e3 * np.asarray(run.latencies_s)
    median, late = np.quantile(values, [0.5, 0.95])
    top = max(1.5 * float(late), 1e-3)
    counts, edges = np.histogram(np.minimum(values, top), BINS, (0, top))
    area = Area((0.0, top), (0.0, 1.1 * float(counts.max())))
    x, y = area.across(edges), area.down(counts.astype(np.float64))
    shapes = [
        f'<rect x="{left:.1f}" y="{upper:.1f}" width="{right - left:.1f}" '
        f'height="{SPAN - upper:.1f}" fill="{OURS}" opacity=".75"/>'
        for left, right, upper in zip(x[:-1], x[1:], y, strict=True)
    ]
    whole = np.array(area.y)
    shapes += [
        line(area, np.full(2, value), whole, TRUTH, 1.5, dash)
        for value, dash in ((median, ''), (late, '5 4'))
    ]
    beyond = float((values > top).mean())
    note = f', {100 * beyond:.0f} % beyond' if beyond else ''
    entries = [
        ('line', TRUTH, f'p50 {median:.1f} ms'),
        ('dash', TRUTH, f'p95 {late:.1f} ms{note}'),
    ]
    return chart(
        'Latency, from frame to match',
        area,
        shapes,
        {tick: f'{tick:g} ms' for tick in ticks(0, top, 5)},
        {tick: f'{tick:g}' for tick in ticks(0, float(counts.max()), 4)},
        'latency',
        legend(entries),
    )


def _stretches(mask: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Split the places where a mask is true into runs of neighbours."""
    places = np.flatnonzero(mask)
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []
