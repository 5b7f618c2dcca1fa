"""The study's pictures: learning curves of every row, trajectories of one network of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path

import numpy as np
from smaknet_core.ablation.cells import SCORES_NAME
from smaknet_core.ablation.recordings import Unseen
from smaknet_core.ablation.slides import Layout
from smaknet_core.embedder import Embedder
from smaknet_core.report.curves import Curve, draw_curves
from smaknet_core.report.trajectories import draw_trajectories, Trajectory
import torch

MOST_DRAWN = 2  # recordings per panel of trajectories; more would hide each other


def curves_picture(
    folders: Mapping[str, Sequence[Path]], systems: Mapping[str, str], layouts: Sequence[Layout]
) -> bytes | None:
    """
    Draw the learning curves, by table; None where no row has any.

    Args:
        folders: row -> run folders of its finished cells.
        systems: row -> what it is called.
        layouts: the tables.
    """
    groups: dict[str, dict[str, list[Curve]]] = {}
    for layout in layouts:
        for line in layout.lines:
            curves = [_curve(folder) for folder in folders.get(line.row, ())]
            known = [curve for curve in curves if curve is not None]
            if known:
                groups.setdefault(layout.title, {})[systems[line.row]] = known
    return draw_curves(groups) if groups else None


def trajectories_picture(
    folders: Mapping[str, Sequence[Path]], systems: Mapping[str, str], recordings: Sequence[Unseen]
) -> bytes | None:
    """
    Draw how each row's first network moves through some test recordings; None without any.

    Arguments as `curves_picture`, and the recordings instead of tables.
    """
    drawn = recordings[:MOST_DRAWN]
    panels = {
        systems[row]: [_trajectory(folder[0], recording) for recording in drawn]
        for row, folder in folders.items()
        if folder
    }
    return draw_trajectories(panels) if panels and drawn else None


def _curve(folder: Path) -> Curve | None:
    """Read what was measured while a cell was trained; None where nothing could be."""
    try:
        history = json.loads((folder / SCORES_NAME).read_text(encoding='utf-8'))['history']
        steps, seconds, errors = (
            [float(point[name]) for point in history] for name in ('step', 'seconds', 'alignment')
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Curve(steps, seconds, errors) if steps else None


def _trajectory(folder: Path, recording: Unseen) -> Trajectory:
    embedder = Embedder.load(folder, threads=torch.get_num_threads())
    views = [embedder.embed(list(view)) for view in recording.clip.views.values()]
    return Trajectory(np.stack(views, axis=1), recording.progress)
