"""Model and clips → alignment error per recording and view pair, beside the trivial answers."""

from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from smaknet_core.baselines import RAW_PIXELS, thumbnail
from smaknet_core.checkpoint import replace_file
from smaknet_core.data.dataset import load_clips
from smaknet_core.embedder import Embedder
from smaknet_core.errors import ConfigError, DataError, printable
from smaknet_core.metrics import alignment, alignment_per_pair, CHANCE, CONSTANT_MIDDLE
from smaknet_core.types import Clip

ARROW = ' -> '  # between the views of a pair


def evaluate(embedder: Embedder, clips: Sequence[Clip]) -> dict[str, Any]:
    """
    Measure temporal alignment across the views of each recording.

    Args:
        embedder: the model.
        clips: recordings with two or more cameras; others are listed as skipped.

    Returns:
        JSON-ready fractions: `alignment_error` (pairs i < j, as the paper), `..._both_ways`,
        `raw_pixels`, `per_pair`, `per_recording`, `chance`, `constant_middle`, `skipped`.

    Raises:
        DataError: no recording has two cameras.
    """
    rows = [_measure(embedder, clip) for clip in clips if len(clip.views) > 1]
    skipped = [clip.name for clip in clips if len(clip.views) < 2]
    if not rows:
        raise DataError('alignment error needs recordings with two cameras; none has')
    return {
        'alignment_error': _mean(row['alignment_error'] for row in rows),
        'alignment_error_both_ways': _mean(row['alignment_error_both_ways'] for row in rows),
        'raw_pixels': _mean(row['raw_pixels'] for row in rows),
        'chance': CHANCE,
        'constant_middle': CONSTANT_MIDDLE,
        'per_pair': _mean_per_pair(rows),
        'per_recording': {row.pop('name'): row for row in rows},
        'skipped': skipped,
    }


def run_evaluate(
    model: Path,
    demos: Sequence[Path],
    *,
    cameras: Sequence[str] = (),
    json_path: Path | None = None,
    cache_dir: Path | None = None,
    device: str = 'auto',
    threads: int = 1,
    console: Console | None = None,
) -> dict[str, Any]:
    """Body of `smaknet evaluate`: measure, print the table, write the JSON file."""
    if json_path and json_path.exists():
        raise ConfigError(f'{json_path}: exists and is never overwritten')
    if json_path and not json_path.parent.is_dir():
        raise ConfigError(f'{json_path}: there is no folder {json_path.parent}')
    console = console or Console()
    embedder = Embedder.load(model, device, threads)
    clips = load_clips(demos, cameras, embedder.config.data, cache_dir, console)
    result = evaluate(embedder, clips)
    console.print(_table(result, set(embedder.summary.get('recordings', ()))))
    for name in result['skipped']:
        console.print(Text(printable(f'{name}: skipped, it has one camera only')))
    if json_path:
        _write(json_path, result)
    return result


def _write(path: Path, result: dict[str, Any]) -> None:
    try:
        replace_file(path, (json.dumps(result, indent=1) + '\n').encode())
    except OSError as err:
        raise ConfigError(f'{path}: cannot be written ({err.strerror or err})') from err


def raw_pixels(clip: Clip) -> NDArray[np.float32]:
    """Thumbnails of all views, T x V x 3072."""
    views = [np.stack([thumbnail(np.array(frame)) for frame in v]) for v in clip.views.values()]
    return np.stack(views, axis=1)


def _measure(embedder: Embedder, clip: Clip) -> dict[str, Any]:
    embeddings = np.stack([embedder.embed(list(view)) for view in clip.views.values()], axis=1)
    forward, both = alignment(embeddings)
    names = clip.cameras
    pairs = {
        f'{names[i]}{ARROW}{names[j]}': e for (i, j), e in alignment_per_pair(embeddings).items()
    }
    return {
        'name': clip.name,
        'task': clip.task,
        'timesteps': len(clip),
        'alignment_error': forward,
        'alignment_error_both_ways': both,
        'raw_pixels': alignment(raw_pixels(clip))[0],
        'per_pair': pairs,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _mean_per_pair(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Mean over the recordings that have the pair."""
    names = dict.fromkeys(pair for row in rows for pair in row['per_pair'])
    return {p: _mean(r['per_pair'][p] for r in rows if p in r['per_pair']) for p in names}


def _table(result: dict[str, Any], trained: set[str]) -> Table:
    cameras = list(dict.fromkeys(c for pair in result['per_pair'] for c in pair.split(ARROW)))
    numbers = {camera: str(number) for number, camera in enumerate(cameras, 1)}
    legend = ', '.join(f'{number} {camera}' for camera, number in numbers.items())
    table = Table(
        title='Temporal alignment error, % of the recording (lower is better)',
        caption=(
            f'a>b: instants of view a found in view b; {escape(printable(legend))}\n'
            f'i<j: mean over pairs with a before b, as the paper; chance {CHANCE:.1%}, '
            f'constant middle {CONSTANT_MIDDLE:.1%}\n'
            f'raw pixels: nearest neighbour of {RAW_PIXELS}-px thumbnails, i<j'
        ),
    )
    table.add_column('recording')
    table.add_column('trained on')
    for pair in result['per_pair']:
        table.add_column('>'.join(numbers[c] for c in pair.split(ARROW)), justify='right')
    table.add_column('i<j', justify='right', style='bold')
    table.add_column('raw pixels', justify='right')
    for name, row in result['per_recording'].items():
        shown, seen = escape(printable(name)), 'yes' if name in trained else 'no'
        table.add_row(shown, seen, *_cells(result, row))
    table.add_section()
    table.add_row('mean', '', *_cells(result, result))
    return table


def _cells(result: dict[str, Any], row: dict[str, Any]) -> list[str]:
    errors = [row['per_pair'].get(pair) for pair in result['per_pair']]
    return [_percent(e) for e in (*errors, row['alignment_error'], row['raw_pixels'])]


def _percent(value: float | None) -> str:
    return '-' if value is None else f'{100 * value:.1f}'
