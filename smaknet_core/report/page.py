"""
The report as one HTML page and one picture: everything inside, nothing fetched, nothing executed.

Names come from bags and demonstrations of others: each is escaped, and the page forbids scripts
and every address by its content security policy.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
import os
from pathlib import Path
import tempfile

import cv2
import numpy as np
from smaknet_core.errors import DataError
from smaknet_core.report import figures, table
from smaknet_core.report.run import alignment, choose_stamps, measure, Numbers, Run
from smaknet_core.types import Image, Match

FRAMES = 8  # shown per run
FRAME_WIDTH = 320  # pixels; larger frames are made smaller to keep the page small

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { --ink: #1b1f24; --faint: #5f6b7a; --line: #e1e5ea; --ours: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f7f9; color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 0 0 12px; }
p { margin: 4px 0 0; } .faint { color: var(--faint); }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 20px 22px; margin-top: 22px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 0 18px; }
.tile { flex: 1 1 150px; border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: 13px; }
.scroll { overflow-x: auto; }
.frames { border-collapse: collapse; width: 100%; min-width: 940px; table-layout: fixed; }
.frames td { padding: 3px; text-align: center; font-size: 12px; border: 0;
  font-variant-numeric: tabular-nums; }
.frames th { width: 74px; text-align: right; padding-right: 8px; font-size: 12px;
  overflow-wrap: anywhere; }
.frames img { display: block; width: 100%; border-radius: 4px; }
.frames .taught img { border: 3px solid; }
.withheld img { opacity: .35; }
.badge { display: inline-block; padding: 0 7px; border-radius: 9px; color: #fff; font-size: 11px;
  font-weight: 600; }
.chart { width: 100%; margin-top: 14px; }
.numbers { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
.numbers th, .numbers td { padding: 6px 10px; border-bottom: 1px solid var(--line);
  text-align: right; vertical-align: top; }
.numbers th { font-size: 12px; color: var(--faint); }
.numbers td:first-child, .numbers th:first-child, .numbers td:last-child,
.numbers th:last-child { text-align: left; }
.other td { color: var(--faint); border-bottom: 1px dashed var(--line); }
"""


def write_report(
    out: Path, runs: Sequence[Run], *, title: str = 'smaknet', notes: Sequence[str] = ()
) -> tuple[Path, Path]:
    """
    Write `out`/report.html (all runs) and `out`/report.png (the first); return both paths.

    A report that is there already is replaced; nothing else in the folder is touched.

    Args:
        out: a folder, made if need be.
        runs: one or more; the first is the one in the picture.
        title: the page's headline.
        notes: paragraphs below the headline.

    Raises:
        DataError: no runs, or `out` cannot be written.
    """
    if not runs:
        raise DataError('a report needs at least one run')
    page = _page(runs, title, notes)
    picture = figures.draw_overview(runs[0])
    try:
        out.mkdir(parents=True, exist_ok=True)
        paths = out / 'report.html', out / 'report.png'
        _replace(paths[0], page.encode('utf-8'))
        _replace(paths[1], picture)
    except OSError as err:
        raise DataError(f'{out}: the report cannot be written ({err.strerror or err})') from err
    return paths


def _page(runs: Sequence[Run], title: str, notes: Sequence[str]) -> str:
    paragraphs = ''.join(f'<p class="faint">{escape(note)}</p>' for note in notes)
    sections = ''.join(_section(run) for run in runs)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n<body><main>\n'
        f'<h1>{escape(title)}</h1>\n{paragraphs}\n{sections}\n'
        f'<section><h2>All streams</h2><div class="scroll">{_numbers(runs)}</div></section>\n'
        '</main></body></html>\n'
    )


def _section(run: Run) -> str:
    numbers = measure(run)
    demonstration = run.demonstration
    task = f' ({escape(demonstration.task)})' if demonstration.task else ''
    chart = _embed_png(figures.draw_charts(run), f'charts of {run.title}', 'chart')
    notes = ''.join(f'<p class="faint">{escape(note)}</p>' for note in run.notes)
    return (
        f'<section><h2>{escape(run.title)}</h2>\n'
        f'<p class="faint">Taught: <b>{escape(demonstration.name)}</b>{task}, '
        f'{len(demonstration)} timesteps in {demonstration.duration_s:.1f} s, '
        f'cameras {escape(", ".join(demonstration.cameras))}.</p><br>\n'
        f'{_tiles(numbers)}\n{_frame_grid(run)}\n{chart}\n{notes}</section>\n'
    )


def _tiles(numbers: Numbers) -> str:
    tiles = [
        (table.percent(numbers.published), 'of the sets got a published match'),
        (table.seconds(numbers.median_error_s), 'median error of what was published'),
        (table.percent(numbers.within[0.5] if numbers.within else None), 'within 0.5 s'),
        (table.percent(numbers.alignment), 'alignment error, all sets'),
        (table.percent(numbers.false_alarms), 'published though not in the demonstration'),
        (table.percent(numbers.wrong_demonstration or None), 'named another demonstration'),
        (table.milliseconds(numbers.latency_p50_s), 'latency, median'),
        (table.milliseconds(numbers.latency_p99_s), 'latency, p99'),
    ]
    shown = ''.join(
        f'<div class="tile"><b>{value}</b><span>{what}</span></div>'
        for value, what in tiles
        if value != table.NOTHING
    )
    return f'<div class="tiles">{shown}</div>'


def _frame_grid(run: Run) -> str:
    stamps = choose_stamps(run.matches, FRAMES, run.frames)
    if not stamps:
        return ''
    matches = [run.match_at(stamp) for stamp in stamps]
    first = run.matches[0].stamp_ns
    times = ''.join(f'<td>{(stamp - first) / 1e9:.1f} s</td>' for stamp in stamps)
    rows = [f'<tr><th>stream</th>{times}</tr>']
    for kind, camera in figures.frame_rows(run, stamps):
        cells = ''.join(_frame_cell(run, match, kind, camera) for match in matches)
        rows.append(f'<tr><th>{kind}<br>{escape(camera)}</th>{cells}</tr>')
    captions = ''.join(f'<td>{_caption(match)}</td>' for match in matches)
    rows.append(f'<tr><th>match</th>{captions}</tr>')
    return f'<div class="scroll"><table class="frames">{"".join(rows)}</table></div>'


def _frame_cell(run: Run, match: Match, kind: str, camera: str) -> str:
    if kind == 'live':
        image = run.frames[match.stamp_ns].get(camera)
        return (
            f'<td>{_embed_frame(image, "live frame")}</td>' if image is not None else '<td></td>'
        )
    colour = figures.STATE_COLOURS[match.state]
    withheld = '' if match.state.actionable else ' withheld'
    image = figures.taught_frame(run, match, camera)
    if image is None:
        return f'<td>{escape(match.demonstration)}</td>'
    return f'<td class="taught{withheld}">{_embed_frame(image, "matched frame", colour)}</td>'


def _caption(match: Match) -> str:
    badge = (
        f'<span class="badge" style="background:{figures.STATE_COLOURS[match.state]}">'
        f'{match.state.value}</span>'
    )
    if not match.state.actionable:
        return badge
    return f'{badge}<br>step {match.timestep}, {match.time_s:.1f} s<br>{match.confidence:.0%} sure'


def _numbers(runs: Sequence[Run]) -> str:
    head = ''.join(f'<th>{heading}</th>' for heading in table.HEADINGS)
    rows = []
    for run in runs:
        cells = table.row(run.title, measure(run))
        rows.append('<tr>' + ''.join(f'<td>{escape(cell)}</td>' for cell in cells) + '</tr>')
        for name, answers in run.others.items():
            cells = [f'– {name}', *[''] * 5, table.percent(alignment(run, answers)), '', '', '']
            shown = ''.join(f'<td>{escape(cell)}</td>' for cell in cells)
            rows.append(f'<tr class="other">{shown}</tr>')
    return f'<table class="numbers"><tr>{head}</tr>{"".join(rows)}</table>'


def _embed_frame(image: Image, description: str, border: str = '') -> str:
    height, width = image.shape[:2]
    if width > FRAME_WIDTH:
        size = (FRAME_WIDTH, max(1, round(height * FRAME_WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    done, jpeg = cv2.imencode(
        '.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
    )
    if not done:
        raise DataError(f'a {description} of {width}x{height} pixels cannot be encoded')
    style = f' style="border-color:{border}"' if border else ''
    data = base64.b64encode(jpeg.tobytes()).decode('ascii')
    return f'<img alt="{description}"{style} src="data:image/jpeg;base64,{data}">'


def _embed_png(png: bytes, description: str, kind: str) -> str:
    data = base64.b64encode(png).decode('ascii')
    return f'<img class="{kind}" alt="{escape(description)}" src="data:image/png;base64,{data}">'


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
