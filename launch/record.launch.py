"""
Start `smaknet_recorder`; only names and values pass through here.

Example: ros2 launch smaknet_ros record.launch.py task:='pick the cube' out:=demos/pick_cube
cameras:='wrist:=/wrist/image_raw top:=/top/image_raw' episodes:=20 episode_time:=20.
Arguments that are empty leave what the parameter file says. Under ros2 launch there are no keys:
~/start, ~/stop, ~/discard and ~/redo do the same.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.substitutions import FindPackageShare

BOOLEANS = ['true', 'false']


def start(context):
    """Make the node's action once the arguments have values."""
    given = {
        '--task': [LaunchConfiguration('task').perform(context)],
        '--out': [LaunchConfiguration('out').perform(context)],
        '--cameras': LaunchConfiguration('cameras').perform(context).split(),
        '--topics': LaunchConfiguration('topics').perform(context).split(),
        '--episodes': [LaunchConfiguration('episodes').perform(context)],
        '--countdown': [LaunchConfiguration('countdown').perform(context)],
        '--episode-time': [LaunchConfiguration('episode_time').perform(context)],
    }
    words = []
    for flag, values in given.items():
        if values and values[0]:
            words += [flag, *values]
    if LaunchConfiguration('wait').perform(context) == 'true':
        words.append('--wait')
    if LaunchConfiguration('force').perform(context) == 'true':
        words.append('--force')
    use_sim_time = LaunchConfiguration('use_sim_time').perform(context) == 'true'
    return [
        Node(
            package='smaknet_ros',
            executable='smaknet_recorder',
            name='smaknet_recorder',
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            parameters=[
                ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
                {'use_sim_time': use_sim_time},
            ],
            arguments=[*words, '--ros-args', '--log-level', LaunchConfiguration('log_level')],
        )
    ]


def generate_launch_description():
    """Declare the arguments, named as nav2 and the recorder name them, and start the node."""
    params_file = PathJoinSubstitution(
        [FindPackageShare('smaknet_ros'), 'config', 'recorder.yaml']
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'params_file', default_value=params_file, description='Parameters of the node.'
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='Put before the names of its topics.'
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=BOOLEANS,
                description='Take the time from /clock.',
            ),
            DeclareLaunchArgument(
                'log_level', default_value='info', description='debug, info, warn, error, fatal.'
            ),
            DeclareLaunchArgument(
                'task', default_value='', description='What is demonstrated, in words.'
            ),
            DeclareLaunchArgument(
                'out', default_value='', description='Folder of the episodes; nothing in it goes.'
            ),
            DeclareLaunchArgument(
                'cameras', default_value='', description='name:=/topic, several by spaces.'
            ),
            DeclareLaunchArgument(
                'topics', default_value='', description='Other topics, several by spaces.'
            ),
            DeclareLaunchArgument(
                'episodes', default_value='', description='How many to record now.'
            ),
            DeclareLaunchArgument(
                'countdown', default_value='', description='Seconds before each episode.'
            ),
            DeclareLaunchArgument(
                'episode_time', default_value='', description='Seconds; 0 is until ~/stop.'
            ),
            DeclareLaunchArgument(
                'wait',
                default_value='false',
                choices=BOOLEANS,
                description='Begin each episode when ~/start is called.',
            ),
            DeclareLaunchArgument(
                'force',
                default_value='false',
                choices=BOOLEANS,
                description='Go on whatever the preflight finds.',
            ),
            OpaqueFunction(function=start),
        ]
    )
