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

BOOLEANS = ['true', 'false', 'True', 'False']  # Python launch files give the latter


def yes(context, argument):
    """Read the value of an argument that is one of BOOLEANS."""
    return argument.perform(context).lower() == 'true'


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
    if yes(context, LaunchConfiguration('wait')):
        words.append('--wait')
    if yes(context, LaunchConfiguration('force')):
        words.append('--force')
    return [
        Node(
            package='smaknet_ros',
            executable='smaknet_recorder',
            name='smaknet_recorder',
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            sigkill_timeout='30',  # what waits for a slow disk is written when it is told to end
            parameters=[
                ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
                {'use_sim_time': yes(context, LaunchConfiguration('use_sim_time'))},
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
                'params_file',
                default_value=params_file,
                description='Parameters of the node: all of these, and what has no argument here.',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='Put before the names of the node and of topics without a leading /.',
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='false',
                choices=BOOLEANS,
                description='Take the time from /clock, as of a simulator or a played bag.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                description='Of the node: debug, info, warn, error or fatal.',
            ),
            DeclareLaunchArgument(
                'task',
                default_value='',
                description="What is demonstrated, in words: 'pick the cube'. Needed.",
            ),
            DeclareLaunchArgument(
                'out',
                default_value='',
                description='Folder of the episodes; those in it stay, numbers go on. Needed.',
            ),
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description="'wrist:=/wrist/image_raw/compressed top:=/top/image_raw': image "
                'topics, several by spaces. Needed.',
            ),
            DeclareLaunchArgument(
                'topics',
                default_value='',
                description="Other topics to record, by spaces: '/joint_states /tf'.",
            ),
            DeclareLaunchArgument(
                'episodes', default_value='', description='How many to record now.'
            ),
            DeclareLaunchArgument(
                'countdown', default_value='', description='Seconds before each episode.'
            ),
            DeclareLaunchArgument(
                'episode_time',
                default_value='',
                description='Seconds of each episode; 0 goes on until ~/stop is called.',
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
