"""
The arguments of each command, as `--help` shows them, and what it runs.

Each command imports what it needs when it runs; parsing arguments loads no torch. Those of
learning are in learning_commands.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smaknet_core.config import MatchConfig
from smaknet_core.learning_commands import Ablate, Engine, Evaluate, Train
import tyro

__all__ = [
    'Ablate',
    'Check',
    'Doctor',
    'Evaluate',
    'Explain',
    'Export',
    'Follow',
    'ImportPouring',
    'Simulate',
    'Teach',
    'Train',
]


@dataclass
class Doctor:
    """
    Judge this machine OK, WARN or BAD, item by item, with the remedy; exit code 1 on BAD.

    Example: smaknet doctor
    """

    training_only: bool = False
    """What only the node needs (ROS) is a warning at most."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.doctor import run_doctor

        return run_doctor(self.training_only)


@dataclass
class ImportPouring:
    """
    Turn Multi-view Pouring, as published, into recordings; exit code 1 if some could not be read.

    Example: smaknet import-pouring ~/multiview-pouring --out demos/pouring
    """

    folder: tyro.conf.Positional[Path]
    """The set, or a part of it: folders of videos (NAME_view0.mov ...) or of TFRecords."""
    out: Path
    """Folder of the recordings; those that exist are kept."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.data.pouring import run_import

        return run_import(self.folder, self.out)


@dataclass
class Check:
    """
    Judge recordings GOOD, WARN or BAD, with the reason and the remedy; exit code 1 on BAD.

    Example: smaknet check ~/demos/pick_cube
    """

    bags: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings (rosbag2 folders, .mcap or .db3 files) or folders of them."""
    cameras: tuple[str, ...] = ()
    """Cameras to look at: names, or name:=/topic. Empty means all."""
    max_spread_s: float = 0.05
    """Frames of one set may be this far apart, seconds."""
    repair: bool = False
    """Write a finalised copy of a recording that was cut short beside it."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.data.quality import run_check

        return run_check(
            self.bags, cameras=self.cameras, max_spread_s=self.max_spread_s, repair=self.repair
        )


@dataclass
class Teach:
    """
    Embed one recording as the demonstration to follow; takes seconds, no training.

    Example: smaknet teach runs/pick ~/demos/pick_cube/episode_0003 --out pick.safetensors
    """

    model: tyro.conf.Positional[Path]
    """Run folder or model file."""
    bag: tyro.conf.Positional[Path]
    """The recording."""
    out: Path
    """Demonstration file to write; must not exist."""
    cameras: tuple[str, ...] = ()
    """Cameras to teach from: names, or name:=/topic. Empty means all."""
    name: str = ''
    """What matches call it; default: the recording's name."""
    device: str = 'auto'
    """auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of the network."""
    engine: Engine = 'auto'
    """auto, torch or onnx; auto is ONNX Runtime on a CPU, once `smaknet export` was run."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.follow.commands import run_teach

        run_teach(
            self.model,
            self.bag,
            self.out,
            cameras=self.cameras,
            name=self.name,
            device=self.device,
            threads=self.threads,
            engine=self.engine,
        )
        return 0


@dataclass
class Follow:
    """
    Find, for every camera set of a recording, where in the demonstration it is.

    Example: smaknet follow --model runs/pick --demonstration pick.safetensors test_bag
    """

    bag: tyro.conf.Positional[Path]
    """The recording to follow."""
    model: Path
    """Run folder or model file."""
    demonstration: tyro.conf.UseAppendAction[tuple[Path, ...]]
    """Demonstration file taught with this model; repeat the option to follow several."""
    cameras: tuple[str, ...] = ()
    """Cameras to watch: names, or name:=/topic. Empty means those taught."""
    csv: Path | None = None
    """Write one row per camera set to this file."""
    start: float = 0.0
    """Skip this many seconds of the recording."""
    device: str = 'auto'
    """auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of the network."""
    engine: Engine = 'auto'
    """auto, torch or onnx; auto is ONNX Runtime on a CPU, once `smaknet export` was run."""
    match: MatchConfig = field(default_factory=MatchConfig)

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.follow.commands import run_follow

        run_follow(
            self.model,
            self.demonstration,
            self.bag,
            cameras=self.cameras,
            csv_path=self.csv,
            start_s=self.start,
            match=self.match,
            device=self.device,
            threads=self.threads,
            engine=self.engine,
        )
        return 0


@dataclass
class Export:
    """
    Write a model as ONNX, compared with PyTorch before it counts.

    Beside the model file, under its name, it is what --engine auto takes on a CPU. The graph maps
    frames (N x height x width x 3, uint8 RGB) to embeddings, for programs in any language; its
    metadata tells the model's hash and how well it agrees.

    Example: smaknet export runs/pick
    """

    model: tyro.conf.Positional[Path]
    """Run folder or model file."""
    out: Path | None = None
    """File to write; must not exist. Default: model.onnx beside the model file."""
    int8: tuple[Path, ...] = ()
    """Compute in 8 bits, less exactly; only --engine onnx takes that. Give recordings to calibrate
    it on; the alignment error on them is printed beside PyTorch's."""
    cache: Path | None = None
    """Where decoded frames of those are kept; default: the user's cache folder."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.export import run_export

        run_export(self.model, self.out, int8=self.int8, cache_dir=self.cache)
        return 0


@dataclass
class Explain:
    """
    Show where a network looks: a video of every frame, and a figure of eight moments.

    Example: smaknet explain runs/pick ~/demos/pick_cube/episode_0003 --out attention.mp4
    """

    model: tyro.conf.Positional[Path]
    """Run folder or model file; of a network with attention."""
    bag: tyro.conf.Positional[Path]
    """The recording."""
    out: Path
    """Video to write, .mp4 or .avi; must not exist."""
    figure: Path | None = None
    """Figure to write, .png; default: beside the video, under its name."""
    cameras: tuple[str, ...] = ()
    """Cameras to look at: names, or name:=/topic. Empty means all."""
    device: str = 'auto'
    """Where to compute: auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of the network."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.explain import run_explain

        run_explain(
            self.model,
            self.bag,
            self.out,
            figure=self.figure,
            cameras=self.cameras,
            device=self.device,
            threads=self.threads,
        )
        return 0


@dataclass
class Simulate:
    """
    Record demonstrations of a simulated pour as rosbag2 folders with known timesteps.

    Example: smaknet simulate demos --episodes 12 --seed 1 --workers 2
    """

    out: tyro.conf.Positional[Path]
    """Folder of the episodes; those that exist are kept."""
    episodes: int = 12
    """How many."""
    seed: int = 0
    """Decides the episodes; the same seed gives the same pixels."""
    views: int = 2
    """Cameras, 1 to 4."""
    size: str = '96x128'
    """HEIGHTxWIDTH of the frames, pixels."""
    rate: float = 10.0
    """Frames per second of each camera."""
    lab: str = '0'
    """Seed of the room, the lights and the cameras' places, or new: others each episode."""
    demonstrator: Literal['hand', 'robot', 'both'] | None = None
    """Who pours; both: in turn. Default: the world's first (physical: hand, small: robot)."""
    scenario: str = 'normal'
    """normal, pause, repeat, skip, mid-start, occlusion or other-task."""
    raw: bool = False
    """Record pixels instead of JPEG."""
    turn: float = 0.0
    """Move the third-person camera around the table, -45 to 45 degrees; all else stays."""
    workers: int = 1
    """Processes that record at the same time."""
    world: Literal['physical', 'small'] = 'physical'
    """physical: MuJoCo, after `make sim`; small: quick drawings of normal, pause, other-task."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.simulation.simulate import parse_lab, parse_size, run_simulate
        from smaknet_core.simulation.worlds import Settings

        settings = Settings(
            world=self.world,
            scenario=self.scenario,
            cameras=self.views,
            rate_hz=self.rate,
            size=parse_size(self.size),
            lab=parse_lab(self.lab),
            demonstrator=self.demonstrator,
            raw=self.raw,
            turn=self.turn,
        )
        return run_simulate(
            self.out, settings, episodes=self.episodes, seed=self.seed, workers=self.workers
        )
