"""
Publish JPEG files as cameras do, for ever: `camera_driver.py FOLDER --hz 30`.

FOLDER holds one folder per camera, named as the camera, of JPEG files in order; each is published
on /<camera>/image_raw/compressed, stamped when sent, and at the end they start over.
Reads no picture and imports nothing heavy: a driver that is killed is back at once.
"""

from __future__ import annotations

import argparse
import array
from pathlib import Path
import time

import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage


def main() -> None:
    """Publish until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('folder', type=Path, help='one folder of JPEG files per camera')
    parser.add_argument('--hz', type=float, default=30.0)
    args = parser.parse_args()
    rclpy.init(args=[])
    node = rclpy.create_node('camera_driver')
    outputs, files = {}, {}
    for folder in sorted(args.folder.iterdir()):
        topic = f'/{folder.name}/image_raw/compressed'
        outputs[folder.name] = node.create_publisher(
            CompressedImage, topic, qos_profile_sensor_data
        )
        files[folder.name] = [array.array('B', p.read_bytes()) for p in sorted(folder.iterdir())]
    began_s = time.monotonic()
    number = 0
    while True:
        number = max(number + 1, int((time.monotonic() - began_s) * args.hz))  # skip, never burst
        time.sleep(max(0.0, began_s + number / args.hz - time.monotonic()))
        stamp = node.get_clock().now().to_msg()  # cameras that are triggered together
        for camera, output in outputs.items():
            msg = CompressedImage(format='jpeg', data=files[camera][number % len(files[camera])])
            msg.header.stamp, msg.header.frame_id = stamp, camera
            output.publish(msg)


if __name__ == '__main__':
    main()
