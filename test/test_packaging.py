"""What colcon, pip and `make` read: one version, declared dependencies, a wheel that is whole."""

from __future__ import annotations

import ast
import configparser
from importlib.metadata import packages_distributions
import os
from pathlib import Path
import re
import shutil
import stat
import subprocess
import sys
from xml.etree import ElementTree
import zipfile

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ElementTree.parse(ROOT / 'package.xml').getroot()
SETUP = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))

# Keys of rosdep/python.yaml, looked up there: a key that does not exist breaks `rosdep install`.
ROSDEP_KEYS = {
    *('python3-matplotlib', 'python3-numpy', 'python3-opencv', 'python3-rich'),
    *('python3-rosbags-pip', 'python3-tensorboardX-pip', 'python3-torch', 'python3-yaml'),
    *('python3-hypothesis', 'python3-pytest', 'python3-pytest-timeout'),
}
ROS_PACKAGES = {
    *('rclpy', 'cv_bridge', 'launch', 'launch_ros', 'builtin_interfaces', 'diagnostic_msgs'),
    *('lifecycle_msgs', 'rcl_interfaces', 'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs'),
    *('geometry_msgs', 'trajectory_msgs'),
}
ROS = re.compile(r'rclpy|cv_bridge|launch(_ros)?|ament_\w+|rpyutils|\w+_(msgs|srvs|interfaces)')


def _constant(name: str):
    """Give a list or dict that setup.py assigns."""
    for node in SETUP.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f'setup.py assigns no {name}')


def _keyword(name: str):
    """Give an argument of the call of setup()."""
    calls = [node for node in ast.walk(SETUP) if isinstance(node, ast.Call)]
    setup = next(call for call in calls if ast.unparse(call.func) == 'setup')
    return ast.literal_eval(next(word.value for word in setup.keywords if word.arg == name))


def _project(requirement: str) -> str:
    """Give the normalised project name of a requirement."""
    return re.sub(r'[-_.]+', '-', re.split(r'[<>=!~\[; ]', requirement)[0]).lower()


def _imported(*folders: str) -> set[str]:
    """Give the top-level modules that sources import, ours and Python's own left out."""
    tops: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                tops.add(str(node.module).split('.')[0])
    return tops - set(sys.stdlib_module_names) - {'smaknet_core', 'smaknet_ros', 'compression'}


def _depends(kind: str) -> set[str]:
    return {str(node.text) for node in PACKAGE.findall(kind)}


def test_one_version() -> None:
    version = _keyword('version')
    changelog = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')
    releases = re.findall(r'^(\d+\.\d+\.\d+) \(\d{4}-\d{2}-\d{2}\)\n-+$', changelog, re.M)
    assert PACKAGE.findtext('version') == version == releases[0]


def test_changelog_is_as_rep_132_wants() -> None:
    lines = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8').splitlines()
    title = f'Changelog for package {PACKAGE.findtext("name")}'
    assert lines[:3] == ['^' * len(title), title, '^' * len(title)]


def test_package_xml_is_complete() -> None:
    assert PACKAGE.get('format') == '3'
    assert PACKAGE.findtext('name') == _constant('NAME')
    assert (PACKAGE.findtext('description') or '').strip()
    assert PACKAGE.findtext('license') == _keyword('license') == 'Apache-2.0'
    maintainer = PACKAGE.find('maintainer')
    assert maintainer is not None
    assert maintainer.get('email') == _keyword('maintainer_email')
    assert PACKAGE.findtext('export/build_type') == 'ament_python'
    assert 'Apache License' in (ROOT / 'LICENSE').read_text(encoding='utf-8')[:100]


def test_package_xml_names_only_keys_that_exist() -> None:
    assert _depends('exec_depend') | _depends('test_depend') <= ROSDEP_KEYS | ROS_PACKAGES


def test_package_xml_names_the_ros_packages_that_are_imported() -> None:
    imported = {name for name in _imported('smaknet_ros', 'launch') if ROS.fullmatch(name)}
    assert imported <= _depends('exec_depend')


def test_setup_py_names_what_is_imported_and_no_more() -> None:
    owners = {
        name: {_project(project) for project in packages_distributions().get(name, [name])}
        for name in _imported('smaknet_core', 'smaknet_ros')
        if not ROS.fullmatch(name)
    }
    # With a name in two projects (opencv-python, ...-headless) one of them is enough.
    declared = {_project(requirement) for requirement in _constant('RUNTIME')}
    optional = [*_constant('EXTRAS')['backbones'], *_constant('EXTRAS')['export']]
    allowed = declared | {_project(name) for name in optional}
    assert {name for name, projects in owners.items() if not projects & allowed} == set()
    assert declared <= set().union(*owners.values())


def test_ros_wheels_are_of_one_distribution_and_pypis_launch_is_not_among_them() -> None:
    """Two distributions share module names; PyPI's `launch` is another program."""
    names = [_project(requirement) for requirement in _constant('EXTRAS')['ros']]
    assert {name.split('-')[1] for name in names if name.startswith('ros-')} == {'kilted'}
    everything = [*_constant('RUNTIME'), *sum(_constant('EXTRAS').values(), [])]
    assert not {'launch', 'launch-ros', 'cv2'} & {_project(line) for line in everything}


def test_opencv_stays_below_the_version_that_breaks_cv_bridge() -> None:
    (pin,) = (line for line in _constant('RUNTIME') if line.startswith('opencv'))
    assert pin.endswith(',<5')


def test_make_hides_from_python_which_venv_of_wheels_called_it() -> None:
    """A python of ROS wheels that inherits this does not find its libraries."""
    variable = '_ROS_WHEELS_BOOTSTRAP_COMPLETE'
    run = subprocess.run(
        ['make', '--no-print-directory', '--eval', 'shown: ; @env', 'shown'],
        cwd=ROOT,
        env={**os.environ, variable: '1', 'SEEN': '1'},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert 'SEEN=1' in run.stdout
    assert variable not in run.stdout


def test_node_scripts_exist() -> None:
    for script in _keyword('entry_points')['console_scripts']:
        module, function = script.split(' = ')[1].split(':')
        path = ROOT / f'{module.replace(".", "/")}.py'
        names = [getattr(n, 'name', '') for n in ast.parse(path.read_text('utf-8')).body]
        assert function in names, script


def test_scripts_look_for_the_active_interpreter() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg', encoding='utf-8')
    assert setup['build_scripts']['executable'] == '/usr/bin/env python3'


def test_launch_files_start_what_is_installed() -> None:
    scripts = {line.split(' = ')[0] for line in _keyword('entry_points')['console_scripts']}
    for path in (ROOT / 'launch').glob('*.launch.py'):
        tree = ast.parse(path.read_text(encoding='utf-8'))
        for word in (node for node in ast.walk(tree) if isinstance(node, ast.keyword)):
            if word.arg == 'executable':
                assert ast.literal_eval(word.value) in scripts, path.name
            if word.arg == 'package':
                assert ast.literal_eval(word.value) == _constant('NAME'), path.name


def test_constraints_hold_every_dependency_on_every_python() -> None:
    lines = (ROOT / '.ci' / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    pins = [line for line in lines if line and not line.startswith('#')]
    assert all(re.fullmatch(r'[\w.-]+==[\w.]+(; python_version (<|>=) .3\.11.)?', p) for p in pins)
    old = {_project(pin) for pin in pins if '>=' not in pin}
    new = {_project(pin) for pin in pins if "< '3" not in pin}
    wanted = [*_constant('RUNTIME'), *_constant('EXTRAS')['ros'], *_constant('EXTRAS')['dev']]
    for requirement in wanted:
        assert _project(requirement) in old & new, requirement


@pytest.fixture(scope='module')
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that pip would build, from a copy so that no build products are left here."""
    folder = tmp_path_factory.mktemp('wheel')
    for name in ('setup.py', 'setup.cfg', 'pyproject.toml', 'package.xml', 'LICENSE'):
        shutil.copy(ROOT / name, folder)
    for name in ('smaknet_core', 'smaknet_ros', 'launch', 'config', 'resource', 'test'):
        ignore = shutil.ignore_patterns('__pycache__')
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    build = "from setuptools import build_meta; build_meta.build_wheel('out')"
    run = subprocess.run(
        [sys.executable, '-c', build],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return zipfile.ZipFile(next((folder / 'out').glob('*.whl')))


def test_wheel_is_whole(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    sources = [*ROOT.glob('smaknet_core/**/*.py'), *ROOT.glob('smaknet_ros/**/*.py')]
    assert {path.relative_to(ROOT).as_posix() for path in sources} <= names
    assert {'smaknet_core/py.typed', 'smaknet_ros/py.typed'} <= names
    assert not [name for name in names if name.startswith('test')]
    name = _constant('NAME')
    share = {path.partition('.data/data/share/')[2] for path in names}
    assert {f'ament_index/resource_index/packages/{name}', f'{name}/package.xml'} <= share
    configuration = [path for path in ROOT.glob('config/**/*') if path.is_file()]
    assert len(configuration) > 10
    for path in (*ROOT.glob('launch/*.launch.py'), *configuration):
        assert f'{name}/{path.relative_to(ROOT).as_posix()}' in share


def test_dockerfile_copies_what_is_there_and_installed() -> None:
    lines = (ROOT / 'Dockerfile').read_text(encoding='utf-8').splitlines()
    assert [line for line in lines if line[:4] in ('ARG ', 'FROM')][:2] == [
        'ARG ROS_DISTRO=jazzy',
        'FROM ros:${ROS_DISTRO}-ros-base',
    ]
    sources = [name for line in lines if line.startswith('COPY ') for name in line.split()[1:-1]]
    assert [name for name in sources if not (ROOT / name).exists()] == []
    allowed = (ROOT / '.dockerignore').read_text(encoding='utf-8').splitlines()
    assert {f'!{name}' for name in sources} == {line for line in allowed if line.startswith('!')}
    needed = {'setup.py', 'setup.cfg', 'package.xml', 'resource', 'launch', 'config'}
    assert needed | {'smaknet_core', 'smaknet_ros'} <= set(sources)


# What a python says of itself when .ci/set_up asks, and what the user should be told.
PYTHONS = {
    'too new': ('echo 3.13', {}, 'is Python 3.13; 3.10, 3.11 or 3.12 is needed'),
    'too old': ('echo 3.8', {}, 'is Python 3.8; 3.10, 3.11 or 3.12 is needed'),
    'without venv': (
        'case $2 in *version*) echo 3.12;; *) exit 1;; esac',
        {},
        'sudo apt install python3.12-venv',
    ),
    'unknown to ROS': (
        'case $2 in *version*) echo 3.12;; *rclpy*) exit 1;; esac',
        {'ROS_DISTRO': 'jazzy'},
        'ROS 2 jazzy is sourced, but',
    ),
}


@pytest.mark.parametrize(('says', 'more', 'told'), PYTHONS.values(), ids=PYTHONS)
def test_set_up_refuses_in_one_line(
    tmp_path: Path, says: str, more: dict[str, str], told: str
) -> None:
    (tmp_path / '.ci').mkdir()
    shutil.copy(ROOT / '.ci' / 'set_up', tmp_path / '.ci')
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\n{says}\n', encoding='utf-8')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    clean = {key: value for key, value in os.environ.items() if key != 'ROS_DISTRO'}
    run = subprocess.run(
        [tmp_path / '.ci' / 'set_up'],
        env={**clean, **more, 'PYTHON': str(python)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert told in run.stderr
    assert len((run.stdout + run.stderr).splitlines()) == 1
    assert not (tmp_path / '.venv').exists()


# A python of a sourced ROS whose venvs note what pip is asked for, instead of asking.
OF_A_ROS = r"""#!/bin/sh
case "$*" in
*numpy*) echo 'numpy<2' ;;
*version*) echo 3.12 ;;
-m\ venv*)
    echo "$@" >made_by
    mkdir -p .venv/bin
    printf '#!/bin/sh\necho "$@" >>asked_for\n' >.venv/bin/python
    chmod +x .venv/bin/python ;;
esac
"""


@pytest.mark.parametrize('distro', ['', 'jazzy'])
def test_a_sourced_ros_is_used_and_no_wheels_beside_it(tmp_path: Path, distro: str) -> None:
    (tmp_path / '.ci').mkdir()
    shutil.copy(ROOT / '.ci' / 'set_up', tmp_path / '.ci')
    python = tmp_path / 'python'
    python.write_text(OF_A_ROS, encoding='utf-8')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    environment = {key: value for key, value in os.environ.items() if key != 'ROS_DISTRO'}
    environment |= {'PYTHON': str(python)} | ({'ROS_DISTRO': distro} if distro else {})
    subprocess.run([tmp_path / '.ci' / 'set_up'], env=environment, timeout=30, check=True)
    asked = (tmp_path / 'asked_for').read_text().splitlines()[-1]
    assert asked.endswith('.[dev]' if distro else '.[dev,ros]')
    assert ('--system-site-packages' in (tmp_path / 'made_by').read_text()) == bool(distro)
    held = tmp_path / '.venv' / 'constraints.txt'
    assert ('.venv/constraints.txt' in asked) == held.exists() == bool(distro)
    assert not distro or held.read_text() == 'numpy<2\n', 'cv_bridge is compiled against it'
    assert (tmp_path / '.venv' / f'.ready{distro}').exists()


def test_set_up_leaves_a_foreign_venv_alone(tmp_path: Path) -> None:
    (tmp_path / '.ci').mkdir()
    (tmp_path / '.venv').mkdir()
    shutil.copy(ROOT / '.ci' / 'set_up', tmp_path / '.ci')
    clean = {key: value for key, value in os.environ.items() if key != 'ROS_DISTRO'}
    run = subprocess.run(
        [tmp_path / '.ci' / 'set_up'],
        env={**clean, 'PYTHON': sys.executable},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 1
    assert 'rm -r .venv' in run.stderr
    assert list((tmp_path / '.venv').iterdir()) == []
