"""
Does following a demonstration by sight help? A robot pours, disturbed, with and without it.

    .venv/bin/python examples/closed_loop.py --seeds 3 --headless

For each seed, somebody pours once and is recorded. The arm of a simulated robot then does the
same: the cup's recorded poses become joint states by inverse kinematics, which are commanded by
follow_demonstration.py as the matcher node says where the scene is (closed loop), or by a clock
(open loop). Every seed disturbs both alike. Needs `make sim`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
import functools
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
import numpy as np
from rclpy.serialization import deserialize_message
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CompressedImage
from smaknet_core.data.bags import open_recording
from smaknet_core.data.recording_folder import new_recording, serialise, write_bag
from smaknet_core.errors import DataError, SmaknetError
from smaknet_core.follow.commands import run_teach
from smaknet_core.simulation.physical.retarget import CupTrack
from smaknet_core.simulation.physical.table_setting import draw_setting
from smaknet_core.simulation.physical.workcell import plan_for
from smaknet_core.simulation.pose import Pose
from smaknet_core.simulation.recorder import record
from smaknet_core.simulation.streams import JOINTS, JOINTS_TOPIC, OBJECT_TOPIC
from smaknet_ros.conversions import to_ns, to_time
from smaknet_ros.live import Listener
from smaknet_ros.processes import isolate, MATCHER, own_domain, Process, ros_args
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CAMERAS = ('third_person', 'first_person')
FIRST_SEED = 9_000  # of the tables: no episode of a training set
ENOUGH = 0.5  # of the liquid in the recipient is a success
KINDS = ('held', 'half speed', 'shifted', 'blackout')
CLOSED, OPEN = 'closed loop', 'open loop'


@dataclass(frozen=True)
class Disturbance:
    """What goes wrong; the same for both loops."""

    kind: str = 'none'
    hold: tuple[float, float] = (0.0, 0.0)  # s: from when, how long
    speed: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)  # m, of the recipient
    blackout: tuple[float, float] = (0.0, 0.0)  # s: from when, how long

    def arguments(self) -> list[str]:
        """Write it for simulated_robot.py."""
        values = {k: np.atleast_1d(v) for k, v in asdict(self).items() if k != 'kind'}
        return [word for k, v in values.items() for word in (f'--{k}', *map(str, v.tolist()))]

    def __str__(self) -> str:
        x, y = (100 * shift for shift in self.shift)
        details = {
            'held': f'held at {self.hold[0]:.1f} s for {self.hold[1]:.1f} s',
            'shifted': f'recipient shifted {x:+.1f}, {y:+.1f} cm',
            'blackout': f'cameras black at {self.blackout[0]:.1f} s for 1 s',
        }
        return details.get(self.kind, self.kind)


@dataclass(frozen=True)
class Material:
    """What is made of one seed's demonstration."""

    seed: int
    demonstration: Path
    plan: Path  # recording of joint states
    held_s: tuple[float, float]  # when the cup is off the table


def main() -> int:
    """Run all seeds; return the exit code."""
    args = _parse()
    console = Console()
    rows: list[dict[str, Any]] = []
    try:
        if not args.model.exists():
            raise DataError(f'{args.model} is not here: name a model with --model')
        if not args.headless and 'GUI: NONE' in ' '.join(cv2.getBuildInformation().split()):
            raise DataError('this OpenCV shows no windows: add --headless')
        for number in range(args.first, args.first + args.seeds):
            material = prepare(args.out / f'seed_{number}', number, args, console)
            disturbance = disturb(number, material, args.disturb)
            for loop in (CLOSED, OPEN):
                row = run(material, disturbance, loop, args)
                rows.append(
                    {'number': number, 'loop': loop, 'disturbance': str(disturbance), **row}
                )
                console.print(
                    f'seed {number}, {disturbance}, {loop}: {_said(row)}', highlight=False
                )
                save(args.out / 'results.json', rows)
    except SmaknetError as err:
        print(f'closed_loop: {err}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    console.print(table(rows))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--seeds', type=int, default=3, help='how many')
    parser.add_argument('--first', type=int, default=0, help='the first of them')
    parser.add_argument(
        '--headless', action='store_true', help='no window with what the cameras see'
    )
    parser.add_argument('--out', type=Path, default=ROOT / 'out' / 'closed_loop')
    parser.add_argument('--model', type=Path, default=ROOT / 'models' / 'pouring.safetensors')
    parser.add_argument('--demonstrator', choices=('hand', 'robot'), default='hand')
    parser.add_argument('--disturb', choices=('none', *KINDS), help='this only; default: in turn')
    parser.add_argument('--lab', type=int, default=0, help='laboratory; the model has to know it')
    parser.add_argument('--lookahead', type=float, default=1.5, help='seconds')
    return parser.parse_args()


def disturb(number: int, material: Material, only: str | None) -> Disturbance:
    """Draw what goes wrong: the kinds in turn, when and how much by the seed."""
    rng = np.random.default_rng([number, 31])
    kind = only or KINDS[number % len(KINDS)]
    # While the cup is carried and poured: from being lifted to three quarters of the way back.
    low, high = material.held_s
    at = float(rng.uniform(low, low + 0.75 * (high - low)))
    angle = rng.uniform(0, 2 * np.pi)
    if kind == 'held':
        return Disturbance(kind, hold=(at, float(rng.uniform(1.0, 3.0))))
    if kind == 'half speed':
        return Disturbance(kind, speed=0.5)
    if kind == 'shifted':
        return Disturbance(kind, shift=(float(0.02 * np.cos(angle)), float(0.02 * np.sin(angle))))
    return Disturbance(kind, blackout=(at, 1.0)) if kind == 'blackout' else Disturbance()


# Before the robot moves.


def prepare(folder: Path, number: int, args: argparse.Namespace, console: Console) -> Material:
    """Record a demonstration, teach it, plan it; what an earlier run left is used again."""
    seed = FIRST_SEED + number
    recording = folder / f'{args.demonstrator}_pours'
    if not recording.exists():
        who = {'world': 'physical', 'demonstrator': args.demonstrator, 'lab': args.lab}
        record(recording, seed=seed, cameras=CAMERAS, **who)
    demonstration = folder / f'{args.demonstrator}.safetensors'
    demonstration.unlink(missing_ok=True)
    run_teach(args.model, recording, demonstration, cameras=[], console=Console(quiet=True))
    track, first_ns = cup_track(recording)
    plan = folder / f'{args.demonstrator}_as_joints'
    if not plan.exists():
        write_plan(plan, track, first_ns, seed)
    return Material(seed, demonstration, plan, track.held())


def cup_track(recording: Path) -> tuple[CupTrack, int]:
    """Read where the cup was, and the stamp from which its times count."""
    from geometry_msgs.msg import PoseStamped

    with open_recording(recording) as opened:
        msgs = [deserialize_message(m, PoseStamped) for _, _, m in opened.messages([OBJECT_TOPIC])]
    stamps = np.array([to_ns(msg.header.stamp) for msg in msgs])
    return CupTrack((stamps - stamps[0]) / 1e9, [_pose(msg.pose) for msg in msgs]), int(stamps[0])


def _pose(msg: Any) -> Pose:
    place, turned = msg.position, msg.orientation
    quaternion = np.array([turned.w, turned.x, turned.y, turned.z])
    return Pose(np.array([place.x, place.y, place.z]), quaternion)


def write_plan(out: Path, track: CupTrack, first_ns: int, seed: int) -> None:
    """Write the arm's joint states at the demonstration's times, as a recording."""
    names, times_s, points = plan_for(track, draw_setting(seed).source)

    def messages() -> Iterator[tuple[int, int, bytes]]:
        unknown = np.zeros(0)
        for time_s, point in zip(times_s, points, strict=True):
            stamp_ns = first_ns + round(float(time_s) * 1e9)
            fields = {
                'name': list(names),
                'position': point,
                'velocity': unknown,
                'effort': unknown,
            }
            yield stamp_ns, 0, serialise(JOINTS, stamp_ns, '', fields)

    with new_recording(out) as folder:
        write_bag(folder, [(JOINTS_TOPIC, JOINTS)], messages())


# While it moves.


def run(
    material: Material, disturbance: Disturbance, loop: str, args: argparse.Namespace
) -> dict[str, Any]:
    """Let the robot pour once; say what came of it."""
    result = material.plan.parent / 'result.json'
    result.unlink(missing_ok=True)
    robot = [str(material.plan), str(result), f'--seed={material.seed}', f'--lab={args.lab}']
    robot += disturbance.arguments()
    began_s = time.monotonic()
    with own_domain() as domain_id:
        listener = Listener(f'/{MATCHER}', {}, domain_id)
        environment = isolate(domain_id)
        processes: list[Process] = []
        try:
            if loop == CLOSED:
                robot += ['--watched']
                if not args.headless:
                    show_cameras(listener)
                processes += start_followers(material, environment, args)
            else:
                play_by_the_clock(listener, material)
            simulator = HERE / 'simulated_robot.py'
            processes.append(Process('simulated_robot', robot, environment, simulator))
            _await_end(listener, processes)
        finally:
            for process in processes:
                process.stop()
                (material.plan.parent / f'{loop} {process.name}.log').write_text(process.log())
                process.close()
            listener.outlast()
            listener.close()
    row = json.loads(result.read_text(encoding='utf-8'))
    return {**row, **judge(listener, row['trace']), 'took_s': round(time.monotonic() - began_s, 1)}


def show_cameras(listener: Listener) -> None:
    """Show what the cameras see, each in a window."""

    def show(name: str, msg: CompressedImage) -> None:
        cv2.imshow(name, cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_COLOR))
        cv2.waitKey(1)

    for name in CAMERAS:
        topic = f'{name}/image_raw/compressed'
        take = functools.partial(show, name)
        listener.node.create_subscription(CompressedImage, topic, take, 1)


def start_followers(
    material: Material, environment: dict[str, str], args: argparse.Namespace
) -> list[Process]:
    """Start the matcher, and who acts on its matches."""
    matcher = {
        'model': str(args.model),
        'demonstration': [str(material.demonstration)],
        'cameras': list(CAMERAS),
        'use_sim_time': True,
        **{f'camera.{name}.transport': 'compressed' for name in CAMERAS},
    }
    follower = ros_args({'use_sim_time': True, 'lookahead': args.lookahead})
    script = HERE / 'follow_demonstration.py'
    return [
        Process(MATCHER, ros_args(matcher), environment),
        Process('follow_demonstration', [str(material.plan), *follower], environment, script),
    ]


def play_by_the_clock(listener: Listener, material: Material) -> None:
    """Command all of the plan at once, by the robot's clock; it is latched until robots come."""
    from rclpy.duration import Duration
    from recorded_way import RecordedWay

    way = RecordedWay(str(material.plan))
    msg = JointTrajectory(joint_names=way.names)
    for after_s, positions in zip(way.times_s - way.times_s[0], way.positions, strict=True):
        after = Duration(seconds=after_s).to_msg()
        msg.points.append(JointTrajectoryPoint(positions=positions, time_from_start=after))
    msg.header.stamp = to_time(0)  # begins when it arrives
    output = listener.node.create_publisher(JointTrajectory, 'joint_trajectory', 1)
    sent: list[bool] = []

    def send() -> None:
        if not sent and output.get_subscription_count():
            output.publish(msg)
            sent.append(True)

    listener.node.create_timer(0.02, send)


def _await_end(
    listener: Listener, processes: Sequence[Process], deadline_s: float = 900.0
) -> None:
    deadline = time.monotonic() + deadline_s
    while processes[-1].code() is None:
        listener.spin(0.05)
        for process in processes:
            if process.code() not in (None, 0) or time.monotonic() > deadline:
                raise SmaknetError(f'{process.name} ended or hangs: {process.last_line()}')
    if processes[-1].code():
        raise SmaknetError(f'{processes[-1].name} ended: {processes[-1].last_line()}')


def judge(listener: Listener, trace: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Say how good the matches were, against where in its plan the arm really was."""
    matches, statuses = listener.run.matches, listener.run.statuses
    if not matches:
        return {'match_error_s': None, 'matched': 0.0}
    stamps, truly_s = np.array(trace).T
    at = np.array([match.stamp_ns / 1e9 for match in matches])
    errors = np.array([match.time_s for match in matches]) - np.interp(at, stamps, truly_s)
    return {
        'match_error_s': round(float(np.abs(errors).mean()), 3),
        'match_bias_s': round(float(errors.mean()), 3),
        'matched': round(len(matches) / max(len({s.stamp_ns for s in statuses}), 1), 3),
        'matches': [(m.stamp_ns / 1e9, m.time_s) for m in matches],
        'states': [(s.stamp_ns / 1e9, s.state, s.values['time'], s.values['confidence'])
                   for s in statuses],
    }  # fmt: skip


# Afterwards.


def _said(row: dict[str, Any]) -> str:
    won = 'success' if row['delivered'] > ENOUGH else 'FAILURE'
    error = row['match_error_s']
    seen = '' if error is None else f', matched {row["matched"]:.0%} within {error:.2f} s'
    return f'{won}, {row["delivered"]:.0%} delivered in {row["seconds"]:.1f} s{seen}'


def save(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write all results so far."""
    path.write_text(json.dumps(rows), encoding='utf-8')


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Put both loops side by side, one line per seed, and their successes below."""
    found = Table(show_footer=True)
    pairs = [(rows[i], rows[i + 1]) for i in range(0, len(rows), 2)]
    for name, footer in (('seed', ''), ('disturbance', 'successes')):
        found.add_column(name, footer)
    for which, loop in enumerate((CLOSED, OPEN)):
        wins = sum(pair[which]['delivered'] > ENOUGH for pair in pairs)
        found.add_column(f'{loop}: delivered', f'{wins} of {len(pairs)}', justify='right')
        found.add_column('time', justify='right')
    found.add_column('matched within', justify='right')
    for pair in pairs:
        cells = [c for r in pair for c in (f'{r["delivered"]:.0%}', f'{r["seconds"]:.1f} s')]
        error = pair[0]['match_error_s']
        cells += ['-' if error is None else f'{error:.2f} s']
        found.add_row(str(pair[0]['number']), pair[0]['disturbance'], *cells)
    return found


if __name__ == '__main__':
    sys.exit(main())
