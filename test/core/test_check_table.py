"""The printed table: safe for any terminal, and whole on a narrow one."""

from __future__ import annotations

import io

from bag_maker import camera_messages, write_bag
import pytest
from rich.console import Console
from smaknet_core.data.check_table import print_verdicts
from smaknet_core.data.quality import CameraReport, examine, Verdict


def test_names_cannot_command_the_terminal(tmp_path):
    """A task or folder name may hold escape codes, or what looks like markup."""
    evil = 'pour\x1b[2J\x07\u202e[red]'
    camera = CameraReport(evil, '/topic', 1, 'header')
    verdict = Verdict(tmp_path, evil, evil, [camera], notes=[evil], topics=['/topic'])
    out = io.StringIO()
    print_verdicts([verdict], Console(file=out, width=200))
    assert '\x1b' not in out.getvalue()
    assert '\x07' not in out.getvalue()
    assert '\u202e' not in out.getvalue()
    assert '[red]' in out.getvalue()


@pytest.mark.parametrize('width', [72, 80, 200])
def test_no_number_is_cut_off_on_a_narrow_terminal(tmp_path, width):
    path = write_bag(tmp_path / 'a_recording_with_a_long_name', camera_messages())
    out = io.StringIO()
    print_verdicts([examine(path)], Console(file=out, width=width))
    assert '\N{HORIZONTAL ELLIPSIS}' not in out.getvalue()
    assert '32x24' in out.getvalue()
