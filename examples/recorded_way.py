"""The way of an arm in a recording: where it was when, and how much of it to command next."""

from __future__ import annotations

import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from smaknet_core.data.bags import open_recording
from smaknet_core.errors import DataError

LEAD_S = 0.2  # what is commanded for now is at most so far ahead of the arm, in the recording
SLOPE = 0.01  # rad/s: of postures that are alike, the arm is in the one it was to be in by now
STEP_S = 0.1  # between the points of a command


class RecordedWay:
    """
    Joint states over time, and how far along them an arm has been commanded.

    names: of the J joints, those of the first message; others are left out. times_s: N seconds
    since the epoch; positions: N x J. DataError: there are none in the recording.
    """

    def __init__(self, path: str, lookahead_s: float = 1.5) -> None:
        with open_recording(path) as recording:
            topics = [
                t.name for t in recording.topics if t.msgtype == 'sensor_msgs/msg/JointState'
            ]
            found = [deserialize_message(m[2], JointState) for m in recording.messages(topics)]
        found = [state for state in found if state.name == found[0].name]
        if len(found) < 2:
            raise DataError(f'{path}: no joint states (sensor_msgs/msg/JointState) to go by')
        self.names = list(found[0].name)
        self.times_s = np.array([s.header.stamp.sec + s.header.stamp.nanosec / 1e9 for s in found])
        self.positions = np.array([state.position for state in found])
        self._lookahead_s = lookahead_s
        self.stop()

    def stop(self) -> None:
        """Forget what was commanded."""
        self._last: tuple[float, float, float] | None = None  # when, from, to

    def onward(
        self, now_s: float, scene_s: float, posture: list[float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Say what to command at `now_s` to an arm in a posture, the scene being at `scene_s`.

        The recorded way from where the arm is, at the recorded pace, up to the lookahead after the
        scene; and what was commanded before is not taken back.

        Returns:
            P x J positions, and P seconds from now.
        """
        when, start, end = self._last or (now_s, scene_s, scene_s)
        commanded = min(start + now_s - when, end)  # for now
        arm = self._time_of(posture, commanded)
        start = float(np.clip(commanded, arm, arm + LEAD_S))
        end = max(start, scene_s + self._lookahead_s)
        self._last = (now_s, start, end)
        after = np.linspace(0, self._lookahead_s, 1 + round(self._lookahead_s / STEP_S))[1:]
        places = np.minimum(start + after, end)
        joints = [np.interp(places, self.times_s, one) for one in self.positions.T]
        return np.transpose(joints), after

    def _time_of(self, posture: list[float], expected_s: float) -> float:
        """Find when the arm was recorded to be in a posture."""
        off = np.abs(self.positions - posture).max(axis=1)
        return float(self.times_s[np.argmin(off + SLOPE * np.abs(self.times_s - expected_s))])
