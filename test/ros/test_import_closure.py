"""What the node loads: rclpy, messages, numpy, cv2, torch, safetensors and ours."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).parents[2]
# Imported as `smaknet_ros.matcher_node` names them, on ROS's side or the network's.
ROS = {
    'rclpy',
    'rpyutils',
    'builtin_interfaces',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'rcl_interfaces',
    'rosgraph_msgs',
    'sensor_msgs',
    'std_msgs',
    'std_srvs',
}
NETWORK = {'numpy', 'cv2', 'torch', 'safetensors'}
OURS = {'smaknet_core', 'smaknet_ros'}
# Training, bags, commands and pictures: nothing of it on a robot that only matches.
NOT_ON_A_ROBOT = {
    'cv_bridge',
    'lightning_fabric',
    'matplotlib',
    'mcap',
    'rich',
    'rosbags',
    'tensorboardX',
    'torchvision',
    'tyro',
}

PROGRAM = """
import json, sys
import smaknet_ros.matcher_node
assert 'torch' not in sys.modules, 'a typing error would be answered seconds later'
import smaknet_ros.session
modules = sorted(sys.modules)
print(json.dumps(modules))
"""


def test_import_closure_of_the_node():
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    modules = json.loads(done.stdout)
    packages = {name.partition('.')[0] for name in modules}
    assert not packages & NOT_ON_A_ROBOT
    assert packages >= OURS | NETWORK | {'rclpy', 'sensor_msgs'}
    ours = {name for name in modules if name.partition('.')[0] == 'smaknet_core'}
    levels = ('trainer', 'evaluation', 'losses', 'report', 'cli', 'data.bags', 'data.dataset')
    assert not {f'smaknet_core.{level}' for level in levels} & ours


def test_torch_may_come_before_rclpy_as_well():
    code = 'import torch, rclpy, smaknet_ros.session; rclpy.init(); rclpy.shutdown()'
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, timeout=120, check=True)


def test_executors_that_lose_messages_or_wait_are_never_offered():
    """Measured: EventsExecutor of the wheels delivers nothing, several threads add latency."""
    sources = [path.read_text() for path in (ROOT / 'smaknet_ros').glob('*.py')]
    assert not [name for name in ('EventsExecutor', 'MultiThreaded') for s in sources if name in s]


def test_every_import_statement_is_of_a_listed_package():
    """By reading the files: what ours import at the top, in any file the node loads."""
    import ast

    allowed = ROS | NETWORK | OURS | set(sys.stdlib_module_names) | {'yaml'}
    for path in sorted((ROOT / 'smaknet_ros').glob('*.py')):
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition('.')[0] for name in names} <= allowed, path
