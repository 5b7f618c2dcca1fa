"""
Recordings → the slides' study: every system trained, measured and put into tables.

`run_ablate` is the body of `smaknet ablate`; rows.py lists what is compared, slides.py what the
slides say of it; row_file.py reads rows of the user's own instead.
"""

from smaknet_core.ablation.command import run_ablate
from smaknet_core.ablation.row_file import read_rows
from smaknet_core.ablation.rows import ROWS
from smaknet_core.ablation.study import Study

__all__ = ['ROWS', 'Study', 'read_rows', 'run_ablate']
