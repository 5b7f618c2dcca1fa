"""
Start `smaknet_matcher`; only names and values pass through here.

Example: ros2 launch smaknet_ros matcher.launch.py model:=run demonstration:=demo.safetensors
params_file:=my_matcher.yaml. Arguments that are empty leave what the parameter file says.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

BOOLEANS = ['true', 'false', 'True', 'False']  # Python launch files give the latter


def yes(context, argument):
    """Read the value of an argument that is one of BOOLEANS."""
    return argument.perform(context).lower() == 'true'


def start(context):
    """Make the node's action once the arguments have values."""
    model = LaunchConfiguration('model').perform(context)
    demonstration = LaunchConfiguration('demonstration').perform(context)
    device = LaunchConfiguration('device').perform(context)
    given = {'model': model, 'demonstration': demonstration, 'device': device}
    parameters = {
        'use_sim_time': yes(context, LaunchConfiguration('use_sim_time')),
        'autostart': yes(context, LaunchConfiguration('autostart')),
    }
    for name, value in given.items():
        if value:  # as text, whatever it looks like
            parameters[name] = ParameterValue(value, value_type=str)
    return [
        Node(
            package='smaknet_ros',
            executable='smaknet_matcher',
            name='smaknet_matcher',
            namespace=LaunchConfiguration('namespace'),
            output='screen',
            respawn=yes(context, LaunchConfiguration('use_respawn')),
            respawn_delay=2.0,
            parameters=[
                ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
                parameters,
            ],
            arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
        )
    ]


def generate_launch_description():
    """Declare the arguments, named as nav2 names them, and start the node."""
    params_file = PathJoinSubstitution([FindPackageShare('smaknet_ros'), 'config', 'matcher.yaml'])
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'params_file',
                default_value=params_file,
                description='Parameters of the node: cameras, and what has no argument here.',
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
                'autostart',
                default_value='true',
                choices=BOOLEANS,
                description='Configure and activate at start; false leaves it to a lifecycle '
                'manager.',
            ),
            DeclareLaunchArgument(
                'use_respawn',
                default_value='false',
                choices=BOOLEANS,
                description='Start the node again 2 s after it ended.',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                description='Of the node: debug, info, warn, error or fatal.',
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
            OpaqueFunction(function=start),
        ]
    )
