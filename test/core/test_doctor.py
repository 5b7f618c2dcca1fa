"""The doctor: what is broken is a row with a remedy, never a traceback, never an import here."""

from __future__ import annotations

import ast
import io
from pathlib import Path
import subprocess
import sys
import time

import pytest
from smaknet_core import doctor, requirements
from smaknet_core.cli import main
from smaknet_core.doctor import Level, LIBRARIES
from smaknet_core.findings import Finding, print_findings
from smaknet_core.probe import import_libraries, Probe, probe, probe_all
from smaknet_core.requirements import declared, satisfies

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def found() -> dict[str, Finding]:
    return {finding.item: finding for finding in doctor.examine()}


def test_libraries_are_those_setup_py_requires() -> None:
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    (runtime,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == 'RUNTIME'
    )
    names = {line.partition('>')[0]: line for line in runtime}
    assert set(LIBRARIES) == set(names)
    for name, wanted in declared().items():
        assert sorted(names[name].removeprefix(name).split(',')) == sorted(wanted.split(','))


def test_this_machine_runs_what_it_needs(found) -> None:
    """The tests around this one import all of these."""
    assert set(LIBRARIES) <= set(found)
    bad = {item: row for item, row in found.items() if row.level == Level.BAD and item != 'ROS 2'}
    assert bad == {}
    assert found['torch'].wanted == declared()['torch']
    assert found['CUDA'].level < Level.BAD


def test_command_prints_every_row_and_loads_no_library(capsys, monkeypatch, found) -> None:
    monkeypatch.setattr(doctor, 'examine', lambda training_only: list(found.values()))
    assert main(['doctor', '--training-only']) == int(found['ROS 2'].level == Level.BAD)
    printed = capsys.readouterr().out
    assert [item for item in found if item not in printed] == []
    code = 'import smaknet_core.doctor, sys; print(*sys.modules)'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert not {'torch', 'cv2', 'numpy', 'rclpy', 'rich', 'tyro'} & set(run.stdout.split())


@pytest.mark.parametrize(
    ('version', 'wanted', 'fits'),
    [
        ('4.14.0', '<5,>=4.5', True),
        ('5.0.0', '<5,>=4.5', False),
        ('4.4.9', '<5,>=4.5', False),
        ('2.10.0+cu126', '>=2.4', True),
        ('2.4.0a0+git1234', '>=2.4', True),
        ('0.11.8', '>=0.11.9', False),
        ('13', '>=13.0', True),
        ('2.6.2', '!=2.6.2', False),
        ('1.2', '', True),
    ],
)
def test_versions_are_compared_by_number(version: str, wanted: str, fits: bool) -> None:
    assert satisfies(version, wanted) is fits


def test_probe_tells_what_came_before_a_crash() -> None:
    crash = probe('tell(version="1"); import signal; os.kill(os.getpid(), signal.SIGSEGV)')
    assert crash == Probe({'version': '1'}, 'crashed (SIGSEGV)')


def test_probe_kills_what_hangs() -> None:
    start = time.monotonic()
    hung = probe('tell(version="1"); import threading; threading.Event().wait()', timeout_s=3)
    assert hung == Probe({'version': '1'}, 'no answer within 3 s')
    assert time.monotonic() - start < 20


def test_probe_puts_an_exception_in_one_line() -> None:
    results = probe_all({'a': ('import no_such', ()), 'b': ('tell(given=sys.argv[1:])', ('x',))})
    assert results['a'].fault == "ModuleNotFoundError: No module named 'no_such'"
    assert results['b'] == Probe({'given': ['x']})
    assert probe('sys.exit(3)').fault == 'ended with code 3'


def test_folder_we_are_in_does_not_stand_in_for_a_library(tmp_path, monkeypatch) -> None:
    (tmp_path / 'yaml.py').write_text('raise SystemExit(9)')
    monkeypatch.chdir(tmp_path)
    assert probe('import yaml') == Probe()


def test_one_broken_library_does_not_hide_the_others(tmp_path, monkeypatch) -> None:
    (tmp_path / 'torch.py').write_text('import os; print("noise"); os.abort()')
    (tmp_path / 'lightning_fabric.py').write_text('__version__ = "7"')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    modules = {name: LIBRARIES[name] for name in (*LIBRARIES,)[:3]} | {
        'lightning-fabric': 'lightning_fabric',
        'PyYAML': 'yaml',
    }
    found = import_libraries(modules, {'more': ('tell(x=1)', ())})
    assert found['torch'] == Probe({}, 'crashed (SIGABRT)')
    assert found['lightning-fabric'] == Probe({'version': '7'})
    assert found['more'] == Probe({'x': 1})
    assert set(found) == {*modules, 'more'}
    assert 'version' in found['PyYAML'].facts


@pytest.mark.parametrize(
    ('probed', 'level', 'remedy'),
    [
        (Probe({'version': '4.14.0'}), Level.OK, ''),
        (Probe({'version': '5.0.0'}), Level.BAD, 'pip install'),
        (Probe({'version': '4.14.0', 'qt': True}), Level.WARN, 'headless'),
        (Probe(fault='crashed (SIGSEGV)'), Level.BAD, 'pip install'),
        (Probe(fault='AttributeError: _ARRAY_API not found'), Level.BAD, 'numpy<2'),
        (Probe(fault='ImportError: libGL.so.1: cannot open'), Level.BAD, 'headless'),
        (Probe(fault='no answer within 60 s'), Level.BAD, 'again'),
    ],
)
def test_library(probed: Probe, level: Level, remedy: str) -> None:
    finding = doctor.judge_library('opencv-python-headless', probed, '<5,>=4.5')
    assert finding.level == level
    assert remedy in finding.remedy
    assert bool(finding.remedy) == (level != Level.OK)


def test_without_installation_no_minimum_is_invented(monkeypatch) -> None:
    for module in (doctor, requirements):
        monkeypatch.setattr(module, 'DISTRIBUTION', 'smaknet-not-installed')
    assert declared() == {}
    assert doctor.judge_library('torch', Probe({'version': '1.0'}), None).wanted == '?'
    rows = list(doctor.judge_python())
    assert (rows[1].found, rows[1].level) == ('not installed', Level.WARN)


def test_ros_that_is_absent_broken_or_double(monkeypatch) -> None:
    monkeypatch.setattr(doctor, 'installed', lambda name: '')
    absent = Probe(fault="ModuleNotFoundError: No module named 'rclpy'")
    (row,) = doctor.judge_ros(absent, {})
    assert row.level == Level.BAD
    assert '--training-only' in row.remedy
    (row,) = doctor.judge_ros(absent, {'ROS_DISTRO': 'jazzy'})
    assert '--system-site-packages' in row.remedy
    (row,) = doctor.judge_ros(Probe(fault="libstdc++.so.6: 'GLIBCXX_3.4.30' not found"), {})
    assert 'conda' in row.remedy
    monkeypatch.setattr(doctor, 'installed', lambda name: '9.1.2')
    row, *_ = doctor.judge_ros(Probe({'rmw': 'rmw_cyclonedds_cpp'}), {'ROS_DISTRO': 'jazzy'})
    assert row.level == Level.BAD


@pytest.mark.parametrize(
    'name', ['FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE']
)
def test_profile_that_is_not_there_is_told(tmp_path, name) -> None:
    fast = Probe({'rmw': 'rmw_fastrtps_cpp', 'file': 'x'})
    rows = list(doctor.judge_ros(fast, {name: str(tmp_path / 'no')}))
    assert (rows[-1].level, rows[-1].remedy) == (Level.WARN, f'{name} names no file')
    (tmp_path / 'profile.xml').touch()
    rows = list(doctor.judge_ros(fast, {name: str(tmp_path / 'profile.xml')}))
    assert rows[-1].level == Level.OK
    row = list(doctor.judge_ros(fast, {}))[-1]
    assert row.level == Level.OK
    assert name in row.remedy


@pytest.mark.parametrize(
    ('probed', 'level', 'words'),
    [
        (Probe(), Level.OK, ''),
        (Probe(fault="ModuleNotFoundError: No module named 'cv_bridge'"), Level.OK, 'only for'),
        (Probe(fault='AttributeError: _ARRAY_API not found'), Level.WARN, 'numpy<2'),
        (Probe(fault='crashed (SIGSEGV)'), Level.WARN, 'reinstall it; only for'),
    ],
)
def test_cv_bridge_is_never_more_than_a_warning(probed, level, words) -> None:
    row = doctor.judge_cv_bridge(probed)
    assert row.level == level
    assert words in row.remedy
    assert bool(row.remedy) == bool(probed.fault)


def test_what_the_nodes_import_of_ros_is_what_the_doctor_asks_for() -> None:
    imported = set()
    for path in (ROOT / 'smaknet_ros').glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition('.')[0])
    messages = {name for name in imported if name.endswith(('_msgs', '_interfaces', '_srvs'))}
    assert messages
    assert {name for name in messages if f'{name}.' not in doctor._ROS} == set()


def test_log_folder_must_be_known_and_writable(tmp_path) -> None:
    assert doctor.judge_logs({}).level == Level.BAD
    assert doctor.judge_logs({'HOME': str(tmp_path)}).level == Level.OK
    assert list(tmp_path.iterdir()) == []
    file = tmp_path / 'file'
    file.touch()
    assert doctor.judge_logs({'HOME': '/', 'ROS_LOG_DIR': str(file)}).level == Level.BAD


def test_cuda(monkeypatch) -> None:
    gpu = doctor.judge_cuda(Probe({'version': '2', 'build': '12.6', 'devices': ['A GPU']}))
    assert 'A GPU' in gpu.found
    hung = doctor.judge_cuda(Probe({'version': '2', 'build': '12.6'}, 'no answer within 60 s'))
    assert hung.level == Level.WARN
    assert doctor.judge_cuda(Probe(fault='crashed (SIGILL)')).level == Level.WARN
    monkeypatch.setattr(doctor, 'has_nvidia', lambda: True)
    for build in (None, '12.6'):
        unused = doctor.judge_cuda(Probe({'version': '2', 'build': build, 'devices': []}))
        assert unused.level == Level.WARN
        assert unused.remedy


def test_malware_is_found_by_version_alone(monkeypatch) -> None:
    monkeypatch.setattr(doctor, 'installed', {'lightning': '2.6.3'}.get)
    (row,) = doctor.judge_malware()
    assert (row.item, row.level) == ('lightning', Level.BAD)
    monkeypatch.setattr(doctor, 'installed', {'pytorch-lightning': '2.6.6'}.get)
    assert [row.level for row in doctor.judge_malware()] == [Level.OK]


def test_cache_needs_room(tmp_path, monkeypatch) -> None:
    folder = tmp_path / 'not' / 'yet'
    for free, level in ((9e9, Level.OK), (2e9, Level.WARN), (1e8, Level.BAD)):
        usage = shutil_usage(free)
        monkeypatch.setattr(doctor.shutil, 'disk_usage', lambda path, usage=usage: usage)
        assert doctor.judge_cache(folder).level == level
    (tmp_path / 'file').touch()
    assert doctor.judge_cache(tmp_path / 'file' / 'below').level == Level.BAD


def shutil_usage(free: float):
    return type('Usage', (), {'free': free})()


def test_training_only_excuses_ros(monkeypatch) -> None:
    absent = Probe(fault="ModuleNotFoundError: No module named 'rclpy'")
    answers = dict.fromkeys((*LIBRARIES, 'cv_bridge'), Probe({'version': '1000'}))
    answers['ros'] = absent
    monkeypatch.setattr(doctor, 'import_libraries', lambda *_: answers)
    strict = {row.item: row.level for row in doctor.examine()}
    lenient = {row.item: row.level for row in doctor.examine(training_only=True)}
    assert (strict['ROS 2'], lenient['ROS 2']) == (Level.BAD, Level.WARN)
    assert strict['opencv-python-headless'] == lenient['opencv-python-headless'] == Level.BAD


def test_answers_cannot_command_the_terminal(monkeypatch) -> None:
    row = Finding('torch', 'evil\x1b[2J[red]', Level.BAD, '>=2.4', 'do')
    for with_rich in (True, False):
        if not with_rich:
            monkeypatch.setitem(sys.modules, 'rich', None)
        out = io.StringIO()
        print_findings([row], out)
        assert '\x1b' not in out.getvalue()
        assert '[red]' in out.getvalue()
        assert 'BAD' in out.getvalue()
