"""With SMAKNET_CI=1 a skip is a failure, unless its reason is on the short list."""

from __future__ import annotations

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

CONFTEST = Path(__file__).with_name('conftest.py')

# Name of a test file: its content, and whether it may pass in CI. Outside CI all of them do.
SUITES = {
    'skips_for_launch_ros': ("def test(): pytest.importorskip('launch_ros')", True),
    'skips_for_a_gpu': ("def test(): pytest.skip('needs CUDA')", True),
    'is_expected_to_fail': ("def test(): pytest.xfail('known')", True),
    'module_skips_for_launch_ros': ("pytest.importorskip('launch_ros')", True),
    'skips_for_the_moon': ("def test(): pytest.skip('the moon is full')", False),
    'skips_for_a_package': ("def test(): pytest.importorskip('surely_not_there')", False),
    'is_marked_to_skip': ("@pytest.mark.skipif(True, reason='moon')\ndef test(): pass", False),
    'fixture_skips': (
        "@pytest.fixture\ndef moon(): pytest.skip('full')\ndef test(moon): pass",
        False,
    ),
    'module_skips_for_a_package': ("pytest.importorskip('surely_not_there')", False),
    'has_its_own_home_and_domain': (
        'import os\ndef test():\n'
        '    assert os.environ["HOME"] != os.environ["OUTER_HOME"]\n'
        '    assert os.environ["ROS_DOMAIN_ID"] != os.environ["OUTER_DOMAIN"]\n'
        '    assert 1 <= int(os.environ["ROS_DOMAIN_ID"]) <= 101\n',
        True,
    ),
}


@pytest.mark.parametrize(('ci', 'processes'), [(True, 0), (True, 2), (False, 0)])
def test_only_skips_on_the_list_pass_in_ci(tmp_path: Path, ci: bool, processes: int) -> None:
    shutil.copy(CONFTEST, tmp_path)
    for name, (content, _) in SUITES.items():
        path = tmp_path / f'test_{name}.py'
        path.write_text(f'import pytest\n\n{content}\n', encoding='utf-8')
    wrong = {name for name, (_, may_pass) in SUITES.items() if ci and not may_pass}
    code, red = _run(tmp_path, ci, processes)
    assert red == wrong
    assert code == (1 if wrong else 0)


def _run(folder: Path, ci: bool, processes: int) -> tuple[int, set[str]]:
    """Run the tests of a folder in another process; its exit code and the names of red files."""
    command = [sys.executable, '-m', 'pytest', '-rfE', '--continue-on-collection-errors']
    command += ['--numprocesses', str(processes)]
    environment = {
        **os.environ,
        'SMAKNET_CI': '1' if ci else '0',
        'OUTER_HOME': os.environ['HOME'],
        'OUTER_DOMAIN': os.environ['ROS_DOMAIN_ID'],
    }
    run = subprocess.run(
        [*command, '--rootdir', str(folder), str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(run.stdout, run.stderr)
    return run.returncode, set(re.findall(r'^(?:FAILED|ERROR) test_(\w+)\.py', run.stdout, re.M))
