"""
What the line stands on: can this machine train and run the node, and if not, what to do.

Body of `smaknet doctor`. Imports none of the libraries it judges: a broken one is a row of the
table, never a traceback. The least versions are those that setup.py declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import ctypes.util
from importlib import metadata
import os
from pathlib import Path
import platform
import shutil
import sys
import tempfile
from typing import Final

from smaknet_core.config import cache_folder
from smaknet_core.findings import Finding, Level, print_findings
from smaknet_core.probe import import_libraries, Probe
from smaknet_core.requirements import declared, DISTRIBUTION, installed, satisfies

# Distribution -> module: what setup.py requires, in the order shown. A test compares.
LIBRARIES: Final[Mapping[str, str]] = {
    'torch': 'torch',
    'opencv-python-headless': 'cv2',
    'numpy': 'numpy',
    'rosbags': 'rosbags',
    'mcap': 'mcap',
    'safetensors': 'safetensors',
    'lightning-fabric': 'lightning_fabric',
    'tyro': 'tyro',
    'rich': 'rich',
    'matplotlib': 'matplotlib',
    'tensorboardX': 'tensorboardX',
    'PyYAML': 'yaml',
    'lz4': 'lz4',
    'backports.zstd': 'backports.zstd',
}
# Releases that stole credentials (GHSA-w37p-236h-pfx3). Never imported to find out.
MALWARE: Final = {'lightning': ('2.6.2', '2.6.3'), 'pytorch-lightning': ('2.6.2', '2.6.3')}
NEWEST_PYTHON: Final = (3, 12)
# A recording of two cameras and a minute at 10 Hz takes 59 MB at 128 x 128.
CACHE_WARN_GB: Final = 5.0
CACHE_BAD_GB: Final = 0.5

# What a node needs; imported by a process of its own.
_ROS_MODULES: Final = (
    'rclpy.lifecycle',
    'builtin_interfaces.msg',
    'diagnostic_msgs.msg',
    'lifecycle_msgs.msg',
    'rcl_interfaces.msg',
    'rosgraph_msgs.msg',
    'sensor_msgs.msg',
    'std_msgs.msg',
    'std_srvs.srv',
)
_ROS: Final = f"""
load = importlib.import_module
tell(file=load('rclpy').__file__)
for name in {_ROS_MODULES}: load(name)
tell(rmw=load('rclpy.utilities').get_rmw_implementation_identifier())
"""
_CV_BRIDGE: Final = 'from cv_bridge import CvBridge; CvBridge()'
# Before Kilted the first alone; since then the second, and the first with a warning.
_PROFILES: Final = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# Part of a complaint -> its cure.
_CURES: Final = (
    ('_ARRAY_API', "pip install 'numpy<2': it was compiled against NumPy 1"),
    ('numpy.core.multiarray', "pip install 'numpy<2': it was compiled against NumPy 1"),
    ('GLIBCXX', "conda's libstdc++ is in the way: use a plain venv, or ROS from RoboStack"),
    ('libGL.so', 'pip install opencv-python-headless, or apt install libgl1'),
    ('no answer within', 'run it again, a first import may be slow; if it stays, reinstall'),
)


def run_doctor(training_only: bool = False) -> int:
    """
    Examine this machine and print the table; return 1 if one item is BAD, else 0.

    With `training_only`, what only the node needs is at worst a warning.
    """
    found = examine(training_only)
    print_findings(found)
    return int(any(finding.level == Level.BAD for finding in found))


def examine(training_only: bool = False) -> list[Finding]:
    """Examine this machine; takes as long as importing PyTorch does, and uses no network."""
    others = {'ros': (_ROS, ()), 'cv_bridge': (_CV_BRIDGE, ())}
    probes = import_libraries(LIBRARIES, others)
    wanted = declared()
    node = [
        *judge_ros(probes['ros'], os.environ),
        judge_cv_bridge(probes['cv_bridge']),
        judge_logs(os.environ),
    ]
    return [
        *judge_python(),
        *(_excused(finding) if training_only else finding for finding in node),
        *(judge_library(name, probes[name], wanted.get(name)) for name in LIBRARIES),
        judge_cuda(probes['torch']),
        *judge_malware(),
        judge_egl(),
        judge_cache(cache_folder()),
    ]


def judge_python() -> Iterator[Finding]:
    """Judge the interpreter, and whether smaknet_ros is installed for it."""
    here = sys.prefix if sys.prefix != sys.base_prefix else f'no venv, {sys.executable}'
    version = platform.python_version()
    try:
        about = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield Finding('python', f'{version} ({here})', Level.OK)
        text = f'pip install smaknet for {sys.executable}; least versions are not known without it'
        yield Finding(DISTRIBUTION, 'not installed', Level.WARN, remedy=text)
        return
    newest = '.'.join(map(str, NEWEST_PYTHON))
    wanted = f'{about["Requires-Python"] or ""},<={newest}'.strip(',')
    level, remedy = Level.OK, ''
    if not satisfies(version, about['Requires-Python'] or ''):
        level, remedy = Level.BAD, f'make a venv with Python {newest} or one before'
    elif sys.version_info[:2] > NEWEST_PYTHON:
        level, remedy = Level.WARN, f'never tested with it; Python {newest} is'
    yield Finding('python', f'{version} ({here})', level, wanted, remedy)
    yield Finding(DISTRIBUTION, about['Version'], Level.OK)


def judge_ros(ros: Probe, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Judge rclpy, its middleware and the file that enlarges its shared memory."""
    distro = environ.get('ROS_DISTRO', '')
    wheels = installed('ros-rclpy')
    source = f'sourced {distro}' if distro else f'wheels, rclpy {wheels}' if wheels else ''
    if ros.fault:
        yield Finding(
            'ROS 2',
            f'{source}: {ros.fault}'.lstrip(': '),
            Level.BAD,
            'rclpy',
            _ros_cure(ros.fault, distro),
        )
        return
    if distro and wheels:
        text = 'ROS from wheels and a sourced ROS crash together: use a shell without ROS'
        yield Finding('ROS 2', f'{source}, and wheels', Level.BAD, 'one of them', text)
    else:
        yield Finding('ROS 2', source or str(ros.facts.get('file')), Level.OK, 'rclpy')
    rmw = str(ros.facts.get('rmw'))
    chosen = 'RMW_IMPLEMENTATION' if environ.get('RMW_IMPLEMENTATION') else 'by default'
    yield Finding('middleware', f'{rmw} ({chosen})', Level.OK)
    if 'fastrtps' in rmw:
        yield _judge_profile(environ)


def _judge_profile(environ: Mapping[str, str]) -> Finding:
    name = next((name for name in _PROFILES if environ.get(name)), '')
    if not name:
        text = f'for raw images over 320x240 set {" or, since Kilted, ".join(_PROFILES)}'
        remedy = f'{text} to config/shared_memory.xml'
        return Finding('shared memory', 'default size', Level.OK, remedy=remedy)
    path = environ[name]
    if not Path(path).is_file():
        return Finding('shared memory', path, Level.WARN, remedy=f'{name} names no file')
    return Finding('shared memory', path, Level.OK)


def judge_cv_bridge(bridge: Probe) -> Finding:
    """Judge what the node asks about encodings it does not know itself; all else goes without."""
    if not bridge.fault:
        return Finding('cv_bridge', installed('cv-bridge') or 'installed', Level.OK)
    text = 'only for image encodings that are not in docs/data.md'
    if "No module named 'cv_bridge'" in bridge.fault:
        return Finding('cv_bridge', 'not installed', Level.OK, remedy=text)
    cure = next((cure for part, cure in _CURES if part in bridge.fault), 'reinstall it')
    return Finding('cv_bridge', bridge.fault, Level.WARN, remedy=f'{cure}; {text}')


def _ros_cure(fault: str, distro: str) -> str:
    for part, cure in _CURES:
        if part in fault:
            return cure
    if distro and 'No module named' in fault:
        return (
            f'{sys.executable} is not the Python of {distro}: make a venv of its own Python '
            'with --system-site-packages'
        )
    return 'source a ROS 2, or run make, which installs wheels; to train only: --training-only'


def judge_logs(environ: Mapping[str, str]) -> Finding:
    """Judge the folder that ROS writes its logs to: a node that cannot does not start."""
    home = environ.get('ROS_HOME') or (f'{environ["HOME"]}/.ros' if environ.get('HOME') else '')
    folder = environ.get('ROS_LOG_DIR') or (f'{home}/log' if home else '')
    if not folder:
        text = 'set HOME or ROS_LOG_DIR: rclpy does not start without'
        return Finding('ROS logs', 'no folder', Level.BAD, 'writable', text)
    problem = _write_problem(Path(folder).expanduser())
    if problem:
        return Finding('ROS logs', problem, Level.BAD, 'writable', 'set ROS_LOG_DIR to another')
    return Finding('ROS logs', folder, Level.OK, 'writable')


def judge_library(name: str, probe: Probe, wanted: str | None) -> Finding:
    """Judge what importing a library gave; `wanted` None means that its range is not known."""
    range_ = '?' if wanted is None else wanted
    version = str(probe.facts.get('version', ''))
    install = f"pip install '{name}{wanted or ''}'"
    if not version:
        cure = next((cure for part, cure in _CURES if part in probe.fault), install)
        return Finding(name, probe.fault or 'no version', Level.BAD, range_, cure)
    if not satisfies(version, wanted or ''):
        return Finding(name, version, Level.BAD, range_, install)
    if probe.facts.get('qt'):
        text = 'its Qt plugins disturb rqt and PyQt; pip install opencv-python-headless instead'
        return Finding(name, f'{version}, with a Qt of its own', Level.WARN, range_, text)
    return Finding(name, version, Level.OK, range_)


def judge_cuda(torch: Probe) -> Finding:
    """Judge whether PyTorch reaches a GPU, and whether there is one to reach."""
    facts = torch.facts
    if facts.get('devices'):
        return Finding('CUDA', f'{facts["build"]}: {", ".join(facts["devices"])}', Level.OK)
    if 'version' not in facts:
        return Finding('CUDA', 'not known without torch', Level.WARN)
    if 'devices' not in facts:
        text = 'nvidia-smi must work first; CUDA_VISIBLE_DEVICES= hides the GPU'
        return Finding('CUDA', torch.fault, Level.WARN, remedy=text)
    if not has_nvidia():
        text = 'all runs on the CPU; training is quicker with one'
        return Finding('CUDA', 'no NVIDIA GPU', Level.OK, remedy=text)
    if not facts.get('build'):
        text = 'install the PyTorch build for your CUDA (pytorch.org/get-started)'
        return Finding('CUDA', 'a GPU, but PyTorch is built for the CPU', Level.WARN, remedy=text)
    text = 'is the driver too old for it, or CUDA_VISIBLE_DEVICES set? see nvidia-smi'
    return Finding('CUDA', f'a GPU that CUDA {facts["build"]} cannot use', Level.WARN, remedy=text)


def has_nvidia() -> bool:
    """Whether the system shows an NVIDIA GPU, in a computer, a Jetson or under WSL."""
    signs = (Path('/etc/nv_tegra_release'), Path('/dev/nvhost-gpu'), Path('/dev/dxg'))
    return any(Path('/dev').glob('nvidia[0-9]*')) or any(sign.exists() for sign in signs)


def judge_malware() -> Iterator[Finding]:
    """Judge relatives of lightning-fabric that are installed, by their version alone."""
    for name, stolen in MALWARE.items():
        version = installed(name)
        if version in stolen:
            text = f'malware: pip uninstall {name}, then change every password and key used here'
            yield Finding(name, version, Level.BAD, f'not {", ".join(stolen)}', text)
        elif version:
            yield Finding(name, version, Level.OK, f'not {", ".join(stolen)}')


def judge_egl() -> Finding:
    """Judge whether a simulator could render without a display."""
    library = ctypes.util.find_library('EGL')
    if library:
        return Finding('EGL', library, Level.OK)
    text = 'only for rendering simulators (extra sim): apt install libegl1'
    return Finding('EGL', 'not found', Level.WARN, remedy=text)


def judge_cache(folder: Path) -> Finding:
    """Judge the folder of decoded frames: writable, and room enough."""
    choose = 'choose another with --cache or XDG_CACHE_HOME'
    problem = _write_problem(folder)
    if problem:
        return Finding('cache', problem, Level.BAD, 'writable', choose)
    free_gb = shutil.disk_usage(_nearest_existing(folder)).free / 1e9
    found, wanted = f'{free_gb:.1f} GB free in {folder}', f'{CACHE_WARN_GB:g} GB'
    if free_gb >= CACHE_WARN_GB:
        return Finding('cache', found, Level.OK, wanted)
    level = Level.WARN if free_gb >= CACHE_BAD_GB else Level.BAD
    return Finding('cache', found, level, wanted, f'make room, or {choose}')


def _write_problem(folder: Path) -> str:
    """Try to write where a folder is or would be; '' if that works."""
    existing = _nearest_existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            return ''
    except OSError as err:
        return f'{existing}: {err.strerror or err}'


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _excused(finding: Finding) -> Finding:
    level = min(finding.level, Level.WARN)
    return Finding(finding.item, finding.found, level, finding.wanted, finding.remedy)
