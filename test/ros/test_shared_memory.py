"""config/shared_memory.xml does what it is for: raw VGA gets through, best effort."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

from smaknet_ros.processes import isolate, own_domain

PROFILE = Path(__file__).parents[2] / 'config/shared_memory.xml'
FRAMES = 40

SEND = f"""
import array, time, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('driver')
output = node.create_publisher(Image, '/image', qos_profile_sensor_data)
msg = Image(height=480, width=640, encoding='rgb8', step=1920)
msg.data = array.array('B', bytes(480 * 1920))
deadline = time.monotonic() + 20
while not output.get_subscription_count() and time.monotonic() < deadline:
    rclpy.spin_once(node, timeout_sec=0.05)
for _ in range({FRAMES}):
    output.publish(msg)
    rclpy.spin_once(node, timeout_sec=0.033)
"""
RECEIVE = """
import sys, time, rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('viewer')
seen = []
node.create_subscription(Image, '/image', seen.append, qos_profile_sensor_data)
deadline = time.monotonic() + 25
while time.monotonic() < deadline and not (seen and not node.count_publishers('/image')):
    rclpy.spin_once(node, timeout_sec=0.05)
print(len(seen))
"""


def test_raw_vga_gets_through_with_the_profile():
    with own_domain() as domain_id:
        environment = isolate(domain_id)
        for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
            environment.pop(name, None)
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(PROFILE)
        environment['FASTDDS_DEFAULT_PROFILES_FILE'] = str(PROFILE)
        sender = subprocess.Popen([sys.executable, '-c', SEND], env=environment)
        try:
            received = subprocess.run(
                [sys.executable, '-c', RECEIVE],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            sender.kill()
            sender.wait()
    # Never all by promise; without the profile it is none to a few.
    assert int(received.stdout) > FRAMES / 2, received.stderr
