"""
`smaknet_recorder`: demonstrations from topics to recordings, one episode after the other; wiring.

Messages are written as they come, serialised. One thread spins the node, another one per episode
writes. Exit codes: 0 when done, and after SIGINT or SIGTERM, which finish the episode first; 2 for
wrong arguments, a preflight that refuses, and a disk that is full or cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
import json
from pathlib import Path
import sys
import time
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from smaknet_core.data.verdict import Level, Reason
from smaknet_core.errors import ConfigError, printable, SmaknetError
from smaknet_core.interrupts import stop_requests, StopRequest
from smaknet_ros import preflight, recorder_options, topics
from smaknet_ros.arguments import apart
from smaknet_ros.ending import ends_with
from smaknet_ros.episode import Contents, Episode
from smaknet_ros.keyboard import Keyboard, keyboard
from smaknet_ros.recorded_topics import RecordedTopics
from smaknet_ros.recording_session import Answer, Phase, RecordingSession, summary
from std_msgs.msg import String
from std_srvs.srv import Trigger

SCHEMA_VERSION = 1  # of the JSON on ~/state
ACKNOWLEDGED_S = 1.0  # who listens has so long to have heard the last state
TICK_S = 0.05
GATE_S = 1.0  # a camera silent for longer keeps an episode from beginning
PATIENCE_S = 3.0  # for the verdict of the last episode, once asked to end


class RecorderNode(Node):
    """
    The node.

    Args:
        given: options of the command line.
        keys: of the terminal.
        stop: whether somebody asked to end.

    Raises:
        ConfigError: a wrong option or parameter.
    """

    def __init__(self, given: dict[str, Any], keys: Keyboard, stop: StopRequest) -> None:
        super().__init__('smaknet_recorder')
        try:
            self.options = recorder_options.declare(self, given)
            self._topics = RecordedTopics(self, self._wanted())
        except SmaknetError:
            self.destroy_node()
            raise
        self._keys, self._stop = keys, stop
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._session = RecordingSession(
            self.options, self._open, self._missing, self._tell, self._judged, keys.present
        )
        self._last = ''  # what was last said on ~/state
        self._failed = False
        self._output = self.create_publisher(String, topics.STATE, topics.latched())
        for name, ask in (
            (topics.START, self._session.start),
            (topics.STOP, self._session.stop),
            (topics.DISCARD, self._session.discard),
            (topics.REDO, self._session.redo),
        ):
            self.create_service(Trigger, name, self._serve(ask))

    def run(self) -> int:
        """Record until all episodes are there or somebody ends it; return the exit code."""
        self._publish_state()
        if not self._preflight():
            return 2 if not self._stop.requested else 0
        self._session.begin(time.monotonic())
        while self._session.phase is not Phase.DONE:
            self._spin(TICK_S)
            self._take_keys()
            if self._stop.requested:
                return self._end()
            self._tick()
        return self._conclude()

    def save(self) -> None:
        """Keep what is being recorded, if anything is."""
        if isinstance(self._session.episode, Episode):
            self._session.episode.close(0.0)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.destroy_node()

    def _wanted(self) -> dict[str, str]:
        """Full topic names -> camera, or ''."""
        wanted: dict[str, str] = {}
        for camera, topic in self.options.cameras.items():
            name = self.resolve_topic_name(topic)
            if name in wanted:
                raise ConfigError(f'--cameras: {wanted[name]} and {camera} are both {name}')
            wanted[name] = camera
        for topic in self.options.topics:
            wanted.setdefault(self.resolve_topic_name(topic), '')
        return wanted

    def _contents(self) -> Contents:
        return Contents(
            task=self.options.task,
            cameras=self._topics.cameras,
            topics=dict(self._topics.known),
            max_spread_s=self.options.max_spread_s,
            min_free_bytes=self.options.min_free_bytes,
            queue_bytes=self.options.queue_bytes,
        )

    def _preflight(self) -> bool:
        """Judge the topics; False if it is not to go on."""
        self._tell('preflight: looking for publishers, then 2 s of every topic')
        contents = replace(self._contents(), task='preflight')
        try:
            found = preflight.run(self._topics, self.options, contents, self._spin)
        except OSError as err:
            self._complain(f'{self.options.out}: cannot be written ({err.strerror or err})')
            return False
        for line in found.lines:
            self._tell(line)
        if self._stop.requested:
            return False
        for reason in found.reasons:
            self._warn(reason)
        if found.refused and not self.options.force:
            bad = [reason.text for reason in found.reasons if reason.level is Level.BAD]
            self._complain(f'not recorded: {"; ".join(bad)} (--force records all the same)')
            return False
        return True

    def _open(self, out: Path) -> Episode:
        """Begin an episode: with what latched topics said before."""
        self._topics.look()
        episode = Episode(out, self._contents())
        self._topics.lost.clear()
        for arrived in self._topics.latched():
            now_ns = self._now_ns()
            episode.put(arrived._replace(received_ns=now_ns, published_ns=arrived.published_ns))
        self._topics.sink = episode.put
        self._bell()
        return episode

    def _missing(self) -> str:
        """Say which cameras are silent, '' when none is."""
        silent = self._topics.silent_cameras(GATE_S)
        names = self._topics.cameras
        reasons = [f'camera {c}: silent: {self._topics.describe(names[c])}' for c in silent]
        return '; '.join(reasons)

    def _spin(self, seconds: float) -> bool:
        """Serve the node for so long at most; False when it is to end."""
        self._executor.spin_once(timeout_sec=max(0.0, min(seconds, TICK_S)))
        return not self._stop.requested

    def _tick(self) -> None:
        self._session.tick(time.monotonic())
        self._publish_state()

    def _judged(self, episode: Any) -> None:
        """Say how the episode is that has just ended."""
        name = episode.out.name
        for what, counts in (('dropped', episode.dropped), ('lost on the way', self._topics.lost)):
            if counts:
                text = ', '.join(f'{count} of {topic}' for topic, count in counts.items())
                self.get_logger().warning(f'{name}: {what}: {text}')
        if not episode.saved:
            self._tell(f'{name} is discarded' if not episode.problem else f'{name} is not saved')
            return
        verdict = episode.verdict
        if verdict is None:
            self._tell(f'{name} is saved, not judged')
            return
        self._tell(
            f'{name}: {verdict.level.name}, {verdict.duration_s:.1f} s, '
            f'{preflight.describe(verdict)}'
        )
        for reason in verdict.reasons:
            self._warn(reason)
        self._bell()

    def _end(self) -> int:
        """Finish what is being recorded; the verdict is not waited for for long."""
        self._session.end(time.monotonic())
        deadline_s = time.monotonic() + PATIENCE_S
        while self._session.phase is not Phase.DONE:
            self._spin(TICK_S)
            self._tick()
            if time.monotonic() > deadline_s and isinstance(self._session.episode, Episode):
                self._session.episode.close(0.0)
        return self._conclude()

    def _conclude(self) -> int:
        self._publish_state()
        self._output.wait_for_all_acked(Duration(seconds=ACKNOWLEDGED_S))
        self._tell(summary(self._session.kept))
        if self._session.problem:
            self._complain(self._session.problem)
            return 2
        return 0

    def _take_keys(self) -> None:
        commands: dict[str, Callable[[float], Answer]] = {
            'toggle': self._session.toggle,
            'discard': self._session.discard,
            'redo': self._session.redo,
        }
        for key in self._keys.pressed():
            if key == 'quit':
                self._stop.requested = True
                continue
            answer = commands[key](time.monotonic())
            if not answer.success:
                self._tell(answer.message)

    def _serve(self, ask: Callable[[float], Answer]) -> Callable[[Any, Any], Any]:
        def serve(_request: Any, response: Any) -> Any:
            response.success, response.message = ask(time.monotonic())
            return response

        return serve

    def _publish_state(self) -> None:
        """Say what goes on, when it changes; the seconds count."""
        session = self._session
        last = session.kept[-1] if session.kept else None
        verdict = last.verdict if last is not None else None
        text = json.dumps(
            {
                'schema_version': SCHEMA_VERSION,
                'state': session.phase.value,
                'task': self.options.task,
                'episode': session.number,
                'episodes': self.options.episodes,
                'name': session.episode.out.name if session.episode is not None else '',
                'elapsed': int(session.elapsed_s) if session.phase in _TIMED else 0,
                'recorded': len(session.kept),
                'last': last.out.name if last is not None else '',
                'verdict': verdict.level.name if verdict is not None else '',
                'reasons': [r.text for r in verdict.reasons] if verdict is not None else [],
                'dropped': sum(session.episode.dropped.values()) if session.episode else 0,
                'problem': session.problem,
            }
        )
        if text != self._last:
            self._last = text
            self._output.publish(String(data=text))

    def _now_ns(self) -> int:
        """Time as messages are stamped with on arrival."""
        simulated = self.get_parameter('use_sim_time').value
        return int(self.get_clock().now().nanoseconds) if simulated else time.time_ns()

    def _tell(self, text: str) -> None:
        self.get_logger().info(printable(text))

    def _warn(self, reason: Reason) -> None:
        text = (
            f'{reason.text} \N{RIGHTWARDS ARROW} {reason.remedy}' if reason.remedy else reason.text
        )
        self.get_logger().warning(printable(f'{reason.level.name}: {text}'))

    def _complain(self, text: str) -> None:
        _complain(text)

    def _bell(self) -> None:
        if self._keys.present and sys.stdout.isatty():
            print('\a', end='', flush=True)


_TIMED = (Phase.COUNTDOWN, Phase.RECORDING)


def main(args: Sequence[str] | None = None) -> int:
    """Record a session; return the exit code."""
    own, ros = apart(sys.argv[1:] if args is None else args)
    try:
        given = recorder_options.parse(own)
        # Signals are ours: the context must live until the last episode is saved and said so.
        rclpy.init(args=ros, signal_handler_options=SignalHandlerOptions.NO)
    except SystemExit as err:
        return int(err.code or 0)
    except Exception as err:  # several unrelated types
        return _complain(str(err))
    try:
        return _run(given)
    finally:
        rclpy.try_shutdown()


def _run(given: dict[str, Any]) -> int:
    with keyboard() as keys, stop_requests() as stop:
        try:
            node = RecorderNode(given, keys, stop)
        except Exception as err:  # ours, and rclpy's for its own parameters
            return _complain(str(err))
        code = 1  # of what nobody expects
        try:
            code = node.run()
        finally:
            node.save()
            ends_with(code)
            node.close()
        return code


def _complain(text: str) -> int:
    print(f'smaknet_recorder: {printable(" ".join(text.split()))}', file=sys.stderr, flush=True)
    return ends_with(2)


if __name__ == '__main__':
    sys.exit(main())
