"""
The page's film: live frames, what the network looked at, matched frames, moment by moment.

A table has every moment, most of them hidden; the stage above it shows one, and the page's script
moves another one there. Without the script the table tells the story.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import zip_longest
from typing import Literal

import cv2
import numpy as np
from smaknet_core.errors import DataError, printable
from smaknet_core.overlay import paint_levels
from smaknet_core.report.charts import STATE_COLOURS, stream_span
from smaknet_core.report.run import choose_stamps, Run
from smaknet_core.types import Image, Match

MOMENTS = 40  # that the slider stops at, at most
KEYS = 8  # of them, shown in the table
FRAME_WIDTH, LEVEL_WIDTH = 288, 208  # pixels at most, to keep the page small
QUALITY = 80  # of JPEG

_LEVELS = {1: 'fine', 2: 'middle', 3: 'coarse'}


@dataclass(frozen=True)
class Slot:
    """One place for a picture, the same at every moment: a row of the table."""

    pair: int  # of cameras shown beside each other
    kind: Literal['live', 'level', 'taught']
    camera: str
    level: int = 0

    @property
    def name(self) -> str:
        """What ties the row to its place on the stage."""
        return f'{self.kind}-{self.pair}-{self.level}'

    @property
    def title(self) -> str:
        """What the picture is, as HTML."""
        camera = f'<b>{escape(printable(self.camera)).replace("_", "_<wbr>")}</b>'
        if self.kind == 'level':
            return f'attention L{self.level}, {_LEVELS.get(self.level, "")}'
        return f'live: {camera}' if self.kind == 'live' else f'matched, taught: {camera}'


@dataclass(frozen=True)
class Film:
    """A run's moments as HTML."""

    stage: str  # one moment, large
    strip: str  # the table of all
    count: int  # moments
    shown: int  # which one is on the stage


def make_film(run: Run) -> Film | None:
    """Show the moments whose frames were kept; None where none were."""
    stamps = choose_stamps(run.matches, MOMENTS, run.frames)
    if not stamps:
        return None
    matches, slots = [run.match_at(stamp) for stamp in stamps], find_slots(run, stamps)
    rows = {slot: [_cell(run, match, slot) for match in matches] for slot in slots}
    told = [_readout(run, match) for match in matches]
    keys = {round(place) for place in np.linspace(0, len(stamps) - 1, min(KEYS, len(stamps)))}
    shown = _best_moment(matches)
    stage = ''.join(
        f'<figure class="{slot.kind}" data-slot="{slot.name}">'
        f'<figcaption>{slot.title}</figcaption>{rows[slot][shown]}</figure>\n'
        for slot in _staged(slots)
    )
    across = max(sum(slot.pair == pair for slot in slots) for pair in range(len(slots)))
    stage = (
        f'<div class="stage" style="--across:{across}">\n{stage}</div>'
        f'<p class="readout">{told[shown]}</p>\n'
    )
    lines = [
        _row('times', 'stream', [_time(run, match) for match in matches], keys),
        *(_row(slot.kind, slot.title, cells, keys, slot.name) for slot, cells in rows.items()),
        _row('brief', 'match', [_brief(match) for match in matches], keys),
        _row('readouts', '', told, keys),
    ]
    strip = f'<div class="scroll"><table class="film">\n{"".join(lines)}</table></div>\n'
    return Film(stage, strip, len(stamps), shown)


def find_slots(run: Run, stamps: Sequence[int]) -> list[Slot]:
    """List live cameras, their levels and the taught camera beside each, same names together."""
    live = list(dict.fromkeys(camera for stamp in stamps for camera in run.frames[stamp]))
    taught = run.demonstration.cameras
    both = [camera for camera in live if camera in taught]
    pairs = [(camera, camera) for camera in both] + list(
        zip_longest(
            [camera for camera in live if camera not in both],
            [camera for camera in taught if camera not in both],
        )
    )
    slots = []
    for pair, (seen, known) in enumerate(pairs):
        if seen is not None:
            slots.append(Slot(pair, 'live', seen))
            slots += [Slot(pair, 'level', seen, level) for level in _levels(run, stamps, seen)]
        if known is not None:
            slots.append(Slot(pair, 'taught', known))
    return slots


def find_taught_frame(run: Run, match: Match, camera: str) -> Image | None:
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


def _levels(run: Run, stamps: Sequence[int], camera: str) -> list[int]:
    return sorted({n for stamp in stamps for n in run.attention.get(stamp, {}).get(camera, {})})


def _staged(slots: Sequence[Slot]) -> list[Slot]:
    """Order as on the stage: what is live, what it was matched with, then the levels."""
    order = {'live': 0, 'taught': 1, 'level': 2}
    return sorted(slots, key=lambda slot: (slot.pair, order[slot.kind], slot.level))


def _best_moment(matches: Sequence[Match]) -> int:
    """Choose what to show first: the middle, or what was published nearest to it."""
    middle = (len(matches) - 1) / 2
    told = [place for place, match in enumerate(matches) if match.state.actionable]
    return min(told or range(len(matches)), key=lambda place: abs(place - middle))


def _cell(run: Run, match: Match, slot: Slot) -> str:
    if slot.kind == 'taught':
        image = find_taught_frame(run, match, slot.camera)
        if image is None:
            return f'<span class="none">{escape(printable(match.demonstration))}</span>'
        style = f'border-color:{STATE_COLOURS[match.state]}'
        withheld = '' if match.state.actionable else ' class="withheld"'
        return _embed(image, FRAME_WIDTH, 'matched frame', f'{withheld} style="{style}"')
    image = run.frames[match.stamp_ns].get(slot.camera)
    if image is None:
        return '<span class="none">no frame</span>'
    if slot.kind == 'live':
        return _embed(image, FRAME_WIDTH, 'live frame')
    weights = run.attention.get(match.stamp_ns, {}).get(slot.camera, {})
    if slot.level not in weights:
        return '<span class="none">–</span>'
    height = max(1, round(LEVEL_WIDTH * image.shape[0] / image.shape[1]))
    panels = paint_levels(image, {slot.level: weights[slot.level]}, height)
    return _embed(panels[slot.level], LEVEL_WIDTH, f'attention, level {slot.level}')


def _row(kind: str, title: str, cells: Sequence[str], keys: set[int], slot: str = '') -> str:
    shown = ''.join(
        f'<td>{cell}</td>' if place in keys else f'<td class="more">{cell}</td>'
        for place, cell in enumerate(cells)
    )
    return f'<tr class="{kind}" data-slot="{slot}"><th>{title}</th>{shown}</tr>\n'


def _time(run: Run, match: Match) -> str:
    """Tell a moment's time, and to the script where on the charts it is, in per cent."""
    seconds = (match.stamp_ns - run.matches[0].stamp_ns) / 1e9
    first, last = stream_span(run)
    at = 100 * (seconds - first) / (last - first)
    return f'<time data-at="{at:.2f}" data-s="{seconds:.3f}">{seconds:.1f} s</time>'


def _brief(match: Match) -> str:
    badge = _badge(match)
    if not match.state.actionable:
        return f'{badge}<br>no match told'
    sure = f'{100 * match.confidence:.0f} % sure'
    return f'{badge}<br>step {match.timestep}, {match.time_s:.1f} s<br>{sure}'


def _readout(run: Run, match: Match) -> str:
    """Tell all about a moment in one line."""
    seconds = (match.stamp_ns - run.matches[0].stamp_ns) / 1e9
    told = [f'<b>{seconds:.1f} s</b> into the stream', _badge(match)]
    place = f'timestep <b>{match.timestep}</b> of {match.timesteps - 1} ({match.time_s:.1f} s)'
    told.append(place if match.state.actionable else f'best guess, not published: {place}')
    told += _truth(run, match)
    told += [
        f'<b>{100 * match.confidence:.0f} %</b> sure',
        f'pace <b>{match.rate:.1f}</b> x as taught',
    ]
    return ' '.join(f'<span>{part}</span>' for part in told)


def _truth(run: Run, match: Match) -> list[str]:
    truth, errors = run.true_range(), run.match_errors_s()
    if truth is None or errors is None:
        return []
    place = [each.stamp_ns for each in run.matches].index(match.stamp_ns)
    if np.isnan(errors[place]):
        return ['truth: not in the demonstration']
    middle = (truth[0][place] + truth[1][place]) / 2
    return [f'truth <b>{middle:.1f}</b>, error <b>{errors[place]:.2f} s</b>']


def _badge(match: Match) -> str:
    colour = STATE_COLOURS[match.state]
    return f'<span class="badge" style="background:{colour}">{match.state.value}</span>'


def _embed(image: Image, width: int, description: str, more: str = '') -> str:
    if image.shape[1] > width:
        size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, jpeg = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        height, width = image.shape[:2]
        raise DataError(f'a {description} of {width}x{height} pixels cannot be encoded')
    data = base64.b64encode(jpeg.tobytes()).decode('ascii')
    return f'<img alt="{description}"{more} src="data:image/jpeg;base64,{data}">'
