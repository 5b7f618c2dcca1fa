"""
What the tests over DDS share: a tiny world, a model for it, and somebody to talk to nodes.

Nodes run as processes on a ROS domain of this test process; every wait has a deadline, and what
is left at the end is killed. The model is real but untrained: random weights tell the frames of
one recording apart well enough, and nothing here is about how well.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
import dataclasses
from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import GetParameters  # noqa: E402
from rclpy.event_handler import PublisherEventCallbacks  # noqa: E402
from rclpy.qos import QoSProfile, QoSReliabilityPolicy  # noqa: E402
from sensor_msgs.msg import CompressedImage  # noqa: E402
from sensor_msgs.msg import Image as ImageMsg  # noqa: E402
from smaknet_core.checkpoint import ModelFile, save_model  # noqa: E402
from smaknet_core.config import DataConfig, TrainConfig  # noqa: E402
from smaknet_core.data.bags import open_recording  # noqa: E402
from smaknet_core.data.transforms import resize, to_input  # noqa: E402
from smaknet_core.embedder import Embedder  # noqa: E402
from smaknet_core.follow import teach  # noqa: E402
from smaknet_core.matching import Calibration  # noqa: E402
from smaknet_core.model import Encoder  # noqa: E402
from smaknet_core.simulation.recorder import record  # noqa: E402
from smaknet_ros.conversions import to_time  # noqa: E402
from smaknet_ros.live import Listener  # noqa: E402
from smaknet_ros.processes import isolate, MATCHER, own_domain, Process, ros_args  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
import torch  # noqa: E402

TEST_ROOT = Path(__file__).parent
PIXELS = 64
DEADLINE_S = 90.0  # a busy machine starts a node slowly; only a failure takes as long


def pytest_configure(config: pytest.Config) -> None:
    # A parser that rclpy's message packages load imports modules that Python 3.11 deprecates.
    config.addinivalue_line('filterwarnings', "ignore:module 'sre_:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if TEST_ROOT in item.path.parents:
            item.add_marker('ros')


@dataclass(frozen=True)
class World:
    """One recording of two cameras, a model, and the recording taught in two ways."""

    bag: Path
    jpegs: Mapping[str, list[bytes]]
    images: Mapping[str, list[Any]]  # RGB, as the node decodes them
    model: Path
    front: Path  # demonstration of one camera
    both: Path  # of both

    def parameters(self, *cameras: str, **more: Any) -> dict[str, Any]:
        """Write a matcher's parameters to follow the recording with these cameras."""
        values = {
            'model': str(self.model),
            'demonstration': [str(self.front if cameras == ('front',) else self.both)],
            'cameras': list(cameras),
        }
        values |= {f'camera.{camera}.transport': 'compressed' for camera in cameras}
        return values | {key.replace('__', '.'): value for key, value in more.items()}


@pytest.fixture(scope='session')
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp('world'))


def make_world(folder: Path) -> World:
    """Record it, make its model and teach it, in a folder."""
    bag = record(folder / 'episode', seed=1, cameras=['front', 'side'], size=(48, 64))
    jpegs: dict[str, list[bytes]] = {'front': [], 'side': []}
    images: dict[str, list[Any]] = {'front': [], 'side': []}
    with open_recording(bag) as recording:
        for raw in recording.raw_frames():
            jpegs[raw.camera].append(bytes(raw.message().data))
        for frame in recording.frames():
            images[frame.camera].append(frame.image)
    model = folder / 'model.safetensors'
    embedder = _make_model(images['front'] + images['side'], model)
    teach(embedder, bag, ['front'], folder / 'front.safetensors', name='front')
    # Random weights do not see that two views show the same: each view is compared with itself.
    both = teach(embedder, bag, [], folder / 'measured.safetensors', name='both')
    dataclasses.replace(both, sigma=None).save(folder / 'both.safetensors')
    demos = (folder / 'front.safetensors', folder / 'both.safetensors')
    return World(bag, jpegs, images, model, *demos)


def _make_model(images: list[Any], path: Path) -> Embedder:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = TrainConfig(data=DataConfig(height=PIXELS, width=PIXELS))
    encoder = Encoder(config.model).train()
    small = torch.from_numpy(np.stack([resize(image, PIXELS, PIXELS) for image in images]))
    with torch.no_grad():  # the batch norms learn the scale of these pictures
        for first in range(8):
            encoder(to_input(small[first::8]))
    config_file = ModelFile(encoder.eval(), config, ('front', 'side'), Calibration(1.0, 1.0))
    save_model(config_file, path)
    embeddings = Embedder.load(path, 'cpu').embed(images[: len(images) // 2])
    step = float(np.mean(np.linalg.norm(np.diff(embeddings, axis=0), axis=1)))
    scales = Calibration(step / 2, step * 1.5, basis='steps of one test recording')
    save_model(dataclasses.replace(config_file, calibration=scales), path)
    return Embedder.load(path, 'cpu')


class Graph:
    """The test's own end of the ROS graph: cameras to play, results to read, services to call."""

    def __init__(self, domain_id: int | None = None) -> None:
        self._held = ExitStack()
        if domain_id is None:
            domain_id = self._held.enter_context(own_domain())
        self.domain_id = domain_id
        self.environment = isolate(domain_id)
        self.processes: list[Process] = []
        self._ask_again_s = 0.0
        self._closed = False
        self.listener = Listener(f'/{MATCHER}', {}, domain_id)
        self.node = self.listener.node
        self.run = self.listener.run

    def start(self, parameters: Mapping[str, Any], *extra: str, module: str = MATCHER) -> Process:
        """Start a node with the command line `ros2 launch` would give it."""
        return self.spawn(module, ros_args(parameters, extra))

    def spawn(self, name: str, args: list[str]) -> Process:
        """Start a node with this command line."""
        process = Process(name, args, self.environment)
        self.processes.append(process)
        return process

    def wait(self, done: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
        """Spin until something is true; fail with all logs if it does not become so."""
        deadline = time.monotonic() + seconds
        while not (result := done()):
            self.listener.spin(0.02)
            if time.monotonic() > deadline:
                logs = '\n'.join(f'--- {p.name} {p.code()}\n{p.log()}' for p in self.processes)
                pytest.fail(f'waited {seconds:g} s in vain for {what}\n{logs}')
        return result

    def spin(self, seconds: float) -> None:
        """Take part in the graph for this long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.listener.spin(left)

    def wait_until_active(self) -> dict[str, Any]:
        """Wait for ~/info, which a node publishes when it becomes active."""
        return self.wait(lambda: self.run.info, 'the node to be active')

    def wait_for_exit(self, process: Process, seconds: float = DEADLINE_S) -> int:
        """Give the exit code."""
        self.wait(lambda: process.code() is not None, f'{process.name} to end', seconds)
        return process.code()  # type: ignore[return-value]

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service and give its response."""
        client = self.node.create_client(kind, name)
        self.wait(client.service_is_ready, f'service {name}')
        self.wait_to_be_known(name.rpartition('/')[0])
        future = client.call_async(request)
        self.wait(future.done, f'an answer of {name}')
        self.node.destroy_client(client)
        return future.result()

    def wait_to_be_known(self, name: str) -> None:
        """
        Wait until the node answers a client that was made after all others of this graph.

        DDS drops the answer to a client that the service does not know yet, and does not say so.
        Clients become known in the order they were made; this question may be asked again.
        """
        client = self.node.create_client(GetParameters, f'{name}/get_parameters')
        answers: list[Any] = []

        def answered() -> bool:
            if client.service_is_ready() and (not answers or time.monotonic() > self._ask_again_s):
                self._ask_again_s = time.monotonic() + 1.0
                answers.append(client.call_async(GetParameters.Request()))
            return any(answer.done() for answer in answers)

        self.wait(answered, f'{name} to know who asks')
        self.node.destroy_client(client)

    def trigger(self, name: str, matcher: str = f'/{MATCHER}') -> Any:
        """Call one of the node's Trigger services."""
        return self.call(Trigger, f'{matcher}/{name}', Trigger.Request())

    def change_state(self, transition: int, matcher: str = f'/{MATCHER}') -> bool:
        """Ask for a lifecycle transition; whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = transition
        return self.call(ChangeState, f'{matcher}/change_state', request).success

    def state(self, matcher: str = f'/{MATCHER}') -> str:
        """Ask for the lifecycle state."""
        request = GetState.Request()
        return self.call(GetState, f'{matcher}/get_state', request).current_state.label

    def camera(self, topic: str, kind: Any = CompressedImage, **qos: Any) -> Camera:
        """Advertise a camera topic."""
        return Camera(self, topic, kind, **qos)

    def close(self) -> None:
        """Kill what runs and leave; harmless when done before."""
        if self._closed:
            return
        self._closed = True
        for process in self.processes:
            process.close()
        self.listener.close()
        self._held.close()


class Camera:
    """A camera driver: publishes what it is told with the stamps it is told."""

    def __init__(self, graph: Graph, topic: str, kind: Any, reliable: bool = True) -> None:
        reliability = QoSReliabilityPolicy.RELIABLE
        if not reliable:
            reliability = QoSReliabilityPolicy.BEST_EFFORT
        self._graph = graph
        self.sent_ns: list[int] = []
        self.output = graph.node.create_publisher(
            kind,
            topic,
            QoSProfile(depth=10, reliability=reliability),
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )

    def connect(self, subscribers: int = 1) -> Camera:
        """
        Wait until the node has subscribed, and knows this publisher in its turn.

        Each end learns of the other on its own; what is published between the two is lost.
        """
        count = self.output.get_subscription_count
        self._graph.wait(lambda: count() >= subscribers, f'a subscriber on {self.output.topic}')
        if (MATCHER, '/') in self._graph.node.get_node_names_and_namespaces():
            self._graph.wait_to_be_known(f'/{MATCHER}')
        return self

    def jpeg(self, stamp_ns: int, data: bytes) -> None:
        """Publish a CompressedImage."""
        msg = CompressedImage(format='jpeg', data=array.array('B', data))
        self._publish(msg, stamp_ns)

    def raw(self, stamp_ns: int, pixels: Any, encoding: str = 'rgb8', padding: int = 0) -> None:
        """Publish an Image, its rows padded."""
        height, width = pixels.shape[:2]
        rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
        msg = ImageMsg(height=height, width=width, encoding=encoding, step=rows.shape[1])
        msg.data = array.array('B', rows.tobytes())
        self._publish(msg, stamp_ns)

    def _publish(self, msg: Any, stamp_ns: int) -> None:
        msg.header.stamp = to_time(stamp_ns)
        msg.header.frame_id = 'lens'
        self.sent_ns.append(stamp_ns)
        self.output.publish(msg)

    def close(self) -> None:
        """Go off the graph, as a driver that dies does."""
        self._graph.node.destroy_publisher(self.output)


@pytest.fixture(scope='session')
def make_graph() -> Iterator[Callable[..., Graph]]:
    """Give what makes a graph of its own, or with a domain another participant; close it."""
    with ExitStack() as left_over:  # by a fixture that failed

        def make(domain_id: int | None = None) -> Graph:
            made = Graph(domain_id)
            left_over.callback(made.close)
            return made

        yield make


@pytest.fixture
def graph(make_graph: Callable[..., Graph]) -> Iterator[Graph]:
    """Take part in an empty graph; its nodes are killed after the test."""
    made = make_graph()
    yield made
    made.close()
