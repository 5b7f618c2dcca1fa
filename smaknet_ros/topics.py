"""
Names and QoS profiles of every topic and service of the nodes, in one place.

Images come in best effort, which every publisher can serve, and with depth 1, so that nothing
queues up behind a busy network. Results go out reliable. All profiles can be overridden by
`qos_overrides.<topic>...` parameters. Each call gives a fresh profile, since rclpy writes the
overrides into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
import os

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSProfile,
    QoSReliabilityPolicy,
)
from rclpy.qos_overriding_options import QoSOverridingOptions
from smaknet_core.errors import SmaknetError

MATCH = '~/match'
MATCH_STATUS = '~/match_status'
EMBEDDING = '~/embedding'
ATTENTION = '~/attention'  # followed by /<camera>
DEBUG_IMAGE = '~/debug_image'
INFO = '~/info'
DIAGNOSTICS = '/diagnostics'
RESET = '~/reset'
RELOAD = '~/reload_demonstration'
# Of the recorder.
STATE = '~/state'
START, STOP, DISCARD, REDO = '~/start', '~/stop', '~/discard', '~/redo'
RECORDED_DEPTH = 100  # messages that may wait for the recorder: a burst, or a busy moment


def outputs(cameras: Iterable[str]) -> list[str]:
    """Name everything the matcher publishes."""
    attention = [f'{ATTENTION}/{camera}' for camera in cameras]
    return [MATCH, MATCH_STATUS, EMBEDDING, INFO, DIAGNOSTICS, DEBUG_IMAGE, *attention]


def newest_only() -> QoSProfile:
    """Images, in and out: best effort, depth 1."""
    return _profile(QoSReliabilityPolicy.BEST_EFFORT, 1)


def every_one() -> QoSProfile:
    """Results, small and all of interest: reliable, depth 10."""
    return _profile(QoSReliabilityPolicy.RELIABLE, 10)


def latched() -> QoSProfile:
    """Facts that a late joiner needs as well: reliable, transient local, depth 1."""
    return _profile(QoSReliabilityPolicy.RELIABLE, 1, QoSDurabilityPolicy.TRANSIENT_LOCAL)


def adapted(offered: Sequence[QoSProfile]) -> QoSProfile:
    """
    Ask for the most that every one of a topic's publishers offers, so that all are received.

    Args:
        offered: their profiles, as the graph knows them; with none, what every publisher offers.
    """
    reliable = all(qos.reliability == QoSReliabilityPolicy.RELIABLE for qos in offered)
    kept = all(qos.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
    some = bool(offered)
    return _profile(
        QoSReliabilityPolicy.RELIABLE if some and reliable else QoSReliabilityPolicy.BEST_EFFORT,
        RECORDED_DEPTH,
        QoSDurabilityPolicy.TRANSIENT_LOCAL if some and kept else QoSDurabilityPolicy.VOLATILE,
    )


def overridable() -> QoSOverridingOptions:
    """Let parameters override history, depth and reliability."""
    return QoSOverridingOptions.with_default_policies()


@contextmanager
def on(topic: str) -> Iterator[None]:
    """
    Name the topic when the middleware refuses an endpoint, which it does without.

    Raises:
        SmaknetError: it did.
    """
    try:
        yield
    except RuntimeError as err:  # RCLError
        raise SmaknetError(f'{topic}: {refusal(err)}') from err


def refusal(err: RuntimeError) -> str:
    """Say what the middleware says of an endpoint it refuses, and the usual reason under SROS2."""
    secured = os.environ.get('ROS_SECURITY_ENABLE') == 'true'
    why = ' (does the SROS2 policy allow it to this enclave?)' if secured else ''
    return str(err).partition(', at ')[0] + why


def describe(qos: QoSProfile) -> str:
    """Say what decides whether a publisher and a subscriber understand each other."""
    return f'{qos.reliability.name}, {qos.durability.name}'.lower().replace('_', ' ')


def _profile(
    reliability: QoSReliabilityPolicy,
    depth: int,
    durability: QoSDurabilityPolicy = QoSDurabilityPolicy.VOLATILE,
) -> QoSProfile:
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )
