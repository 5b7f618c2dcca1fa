"""
Play a recording into `smaknet_matcher`: what a live run would have been.

Example: ros2 launch smaknet_ros replay.launch.py bag:=demos_test/episode_001 model:=out/run
demonstration:=out/demo.safetensors params_file:=two_cameras.yaml.
The node takes the time from the recording, so its times-out hold at any `rate`. The player waits
for the node on each image topic it plays: name those that the node has with `topics`, where the
recording has more. All ends with the recording, or with the first of the two that fails: with an
exit code of 1 then.
"""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, ThisLaunchFileDir
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

BOOLEANS = ['true', 'false', 'True', 'False']  # Python launch files give the latter


def finish(event, context):
    """End the other with the one that has ended; what failed is an error of the launch, too."""
    if event.returncode not in (0, -2):  # -2: told to end before Python could listen
        raise RuntimeError(f'{event.process_name} failed with exit code {event.returncode}')
    return None if context.is_shutdown else [Shutdown(reason=f'{event.process_name} has ended')]


def play(context):
    """Make the player's action once the arguments have values."""
    bag = LaunchConfiguration('bag').perform(context)
    if not bag:
        raise RuntimeError('bag is not given: bag:=demos_test/episode_001')
    words = [bag, '--clock']
    words += ['--rate', LaunchConfiguration('rate').perform(context)]
    words += ['--start', LaunchConfiguration('start').perform(context)]
    words += ['--wait-for-subscribers', LaunchConfiguration('wait_for').perform(context)]
    if LaunchConfiguration('loop').perform(context).lower() == 'true':
        words.append('--loop')
    topics = LaunchConfiguration('topics').perform(context).split()
    if topics:
        words += ['--topics', *topics]
    return [
        Node(
            package='smaknet_ros',
            executable='smaknet_player',
            name='smaknet_player',
            output='screen',
            arguments=[*words, '--ros-args', '--log-level', LaunchConfiguration('log_level')],
        )
    ]


def generate_launch_description():
    """Declare the arguments, start the node as matcher.launch.py does, and play."""
    params_file = PathJoinSubstitution([FindPackageShare('smaknet_ros'), 'config', 'matcher.yaml'])
    matcher = IncludeLaunchDescription(
        PythonLaunchDescriptionSource([ThisLaunchFileDir(), '/matcher.launch.py']),
        launch_arguments={
            'params_file': LaunchConfiguration('params_file'),
            'namespace': LaunchConfiguration('namespace'),
            'use_sim_time': 'true',
            'log_level': LaunchConfiguration('log_level'),
            'model': LaunchConfiguration('model'),
            'demonstration': LaunchConfiguration('demonstration'),
            'device': LaunchConfiguration('device'),
        }.items(),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'bag',
                default_value='',
                description='Recording: a rosbag2 folder, .mcap or .db3. Needed.',
            ),
            DeclareLaunchArgument(
                'rate', default_value='1.0', description='0.5 plays at half the speed.'
            ),
            DeclareLaunchArgument(
                'start', default_value='0', description='Where to begin: seconds, or 40%.'
            ),
            DeclareLaunchArgument(
                'loop',
                default_value='false',
                choices=BOOLEANS,
                description='Start over at the end.',
            ),
            DeclareLaunchArgument(
                'topics',
                default_value='',
                description='Play only these, several by spaces.',
            ),
            DeclareLaunchArgument(
                'wait_for',
                default_value='1',
                description='Subscribers that each image topic has before playing begins; 0 waits '
                'for nobody.',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=params_file,
                description='Parameters of the matcher: cameras, and what has no argument here.',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Put before the names of the matcher and of topics without a leading '
                '/; topics are played under their recorded names.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                description='Of both nodes: debug, info, warn, error or fatal.',
            ),
            DeclareLaunchArgument(
                'model',
                default_value='',
                description='Model file, or folder that `smaknet train` wrote.',
            ),
            DeclareLaunchArgument(
                'demonstration',
                default_value='',
                description='File that `smaknet teach` wrote; several: in the parameter file.',
            ),
            DeclareLaunchArgument(
                'device',
                default_value='',
                description='auto, cpu, cuda or cuda:1; a GPU asked for by name must be there.',
            ),
            RegisterEventHandler(OnProcessExit(on_exit=finish)),
            # First, since it may raise: what launch has begun to start by then it would leave.
            OpaqueFunction(function=play),
            matcher,
        ]
    )
