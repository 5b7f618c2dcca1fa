"""
The report as one HTML page: everything inside, nothing fetched, no script but its own.

Names come from bags and demonstrations of others: each is escaped, and the page's content security
policy forbids every address, and every script but the one whose hash it names.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
import hashlib
from html import escape
import os
from pathlib import Path
import tempfile

from smaknet_core.errors import DataError, printable
from smaknet_core.report import charts, numbers
from smaknet_core.report.film import Film, make_film
from smaknet_core.report.run import Run
from smaknet_core.report.script import SCRIPT
from smaknet_core.report.style import STYLE

NAME = 'report.html'

_READING = {
    'match': 'The moment of the demonstration that the live frames show. It is published in the '
    'states TRACKING and DONE only; a dimmed frame is a guess that was kept back.',
    '90 % interval': 'Where the moment is with a probability of 90 %, by smaknet’s own estimate.',
    'confidence': 'The estimated probability to be within 0.25 s of the truth.',
    'attention': 'What counts for the embedding, at several depths of the network: the brighter, '
    'the more, in shares of each picture’s largest weight.',
    'clock only, raw pixels': 'Answers that need no learning: the seconds since the start; the '
    'taught frame whose pixels are nearest.',
    'latency': 'From a frame’s arrival at a third process to the arrival of its match there.',
}

_HASH = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    f"form-action 'none'; script-src 'sha256-{_HASH}'"
)
_CONTROL = (
    '<div class="control"><button class="play" type="button" aria-label="play">&#9654;</button>'
    '<input class="slider" type="range" min="0" max="100" step="any" aria-label="moment" '
    'data-first="{shown}"></div>\n'
)


def write_report(
    out: Path,
    runs: Sequence[Run],
    *,
    title: str = 'smaknet',
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """
    Write `out`/report.html and return its path.

    A report that is there already is replaced; nothing else in the folder is touched.

    Args:
        out: a folder, made if need be.
        runs: one or more, in this order.
        title: the page's headline.
        notes: paragraphs below the headline.
        facts: what this was made with, name -> value, for the end of the page.

    Raises:
        DataError: no runs, or `out` cannot be written.
    """
    if not runs:
        raise DataError('a report needs at least one run')
    page = _page(runs, title, notes, facts or {})
    try:
        out.mkdir(parents=True, exist_ok=True)
        _replace(out / NAME, page.encode('utf-8', 'replace'))
    except OSError as err:
        raise DataError(f'{out}: the report cannot be written ({err.strerror or err})') from err
    return out / NAME


def _page(runs: Sequence[Run], title: str, notes: Sequence[str], facts: Mapping[str, str]) -> str:
    sections = ''.join(_section(run) for run in runs)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{_text(title)}</title>\n<style>{STYLE}</style></head>\n<body><main>\n'
        f'<h1>{_text(title)}</h1>\n{_paragraphs(notes)}\n{sections}\n'
        f'<section><h2>In figures</h2>{numbers.draw_table(runs)}</section>\n'
        f'{_listing("How to read it", _READING)}{_listing("Made with", facts)}</main>\n'
        f'<script>{SCRIPT}</script></body></html>\n'
    )


def _section(run: Run) -> str:
    film = make_film(run)
    sides = charts.draw_errors(run) + charts.draw_latency(run)
    return (
        f'<section class="run"><h2>{_text(run.title)}</h2>\n'
        f'<p class="faint">{_taught(run)} {_live(run)}</p>\n{_paragraphs(run.notes)}'
        f'{numbers.draw_tiles(run)}{film.stage if film else ""}{_timeline(run, film)}'
        f'<div class="sides">{sides}</div>\n{film.strip if film else ""}</section>\n'
    )


def _taught(run: Run) -> str:
    demonstration = run.demonstration
    task = f' ({_text(demonstration.task)})' if demonstration.task else ''
    return (
        f'Taught: <b>{_text(demonstration.name)}</b>{task}, {len(demonstration)} timesteps in '
        f'{demonstration.duration_s:.1f} s, from {_text(_listed(demonstration.cameras))}.'
    )


def _live(run: Run) -> str:
    cameras = list(dict.fromkeys(name for images in run.frames.values() for name in images))
    seen = f' from {_text(_listed(cameras))}' if cameras else ''
    return f'Live: <b>{_text(run.recording)}</b>{seen}.' if run.recording or seen else ''


def _listed(names: Sequence[str]) -> str:
    return ' and '.join(names) if len(names) < 3 else ', '.join(names)


def _timeline(run: Run, film: Film | None) -> str:
    """All that shares the axis of the stream's seconds, the slider included."""
    control = '' if film is None else _CONTROL.format(shown=film.shown)
    return (
        f'<div class="timeline">\n{control}{charts.draw_track(run)}'
        f'{charts.draw_confidence(run)}{charts.draw_states(run)}</div>\n'
    )


def _listing(title: str, facts: Mapping[str, str]) -> str:
    if not facts:
        return ''
    listed = ''.join(
        f'<dt>{_text(name)}</dt><dd>{_text(value)}</dd>\n' for name, value in facts.items()
    )
    return f'<section><h2>{title}</h2><dl class="facts">\n{listed}</dl></section>\n'


def _paragraphs(notes: Sequence[str]) -> str:
    return ''.join(f'<p class="faint">{_text(note)}</p>\n' for note in notes)


def _text(text: str) -> str:
    """Escape text of unknown origin; what cannot be shown, or turns text around, is replaced."""
    return escape(printable(text))


def _replace(path: Path, content: bytes) -> None:
    """Write a file at once or not at all."""
    handle, scratch = tempfile.mkstemp(prefix=f'.{path.name}-', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
        os.chmod(scratch, 0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
