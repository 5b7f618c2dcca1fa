"""
Start `smaknet_matcher`; only names and values pass through here.

Example: ros2 launch smaknet_ros matcher.launch.py model:=run demonstration:=demo.safetensors.
Arguments that are empty leave what the parameter file says.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

BOOLEANS = ['true', 'false']


def start(context):
    """Make the node's action once the arguments have values."""
    model = LaunchConfiguration('model').perform(context)
    demonstration = LaunchConfiguration('demonstration').perform(context)
    device = LaunchConfiguration('device').perform(context)
    given = {'model': model, 'demonstration': demonstration, 'device': device}
    parameters = {
        'use_sim_time': LaunchConfiguration('use_sim_time').perform(context) == 'true',
        'autostart': LaunchConfiguration('autostart').perform(context) == 'true',
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
            respawn=LaunchConfiguration('respawn').perform(context) == 'true',
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
                'autostart',
                default_value='true',
                choices=BOOLEANS,
                description='Configure and activate at start; else a lifecycle manager does.',
            ),
            DeclareLaunchArgument(
                'respawn',
                default_value='false',
                choices=BOOLEANS,
                description='Start the node again when it ends.',
            ),
            DeclareLaunchArgument(
                'log_level', default_value='info', description='debug, info, warn, error, fatal.'
            ),
            DeclareLaunchArgument(
                'model', default_value='', description='Model file or run folder.'
            ),
            DeclareLaunchArgument(
                'demonstration', default_value='', description='What `smaknet teach` wrote.'
            ),
            DeclareLaunchArgument(
                'device', default_value='', description='auto, cpu, cuda or cuda:1.'
            ),
            OpaqueFunction(function=start),
        ]
    )
