"""
Matches to something to look at: one HTML page of streams that were followed.

`Run` is what to tell about, `write_report` writes the page, `summary_table` is for the
terminal.
"""

from smaknet_core.report.page import write_report
from smaknet_core.report.run import choose_stamps, compare, measure, Numbers, Run
from smaknet_core.report.table import summary_table

__all__ = [
    'Numbers',
    'Run',
    'choose_stamps',
    'compare',
    'measure',
    'summary_table',
    'write_report',
]
