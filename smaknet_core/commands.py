"""
The arguments of each command, as `--help` shows them, and what it runs.

Each command imports what it needs when it runs; parsing arguments loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from smaknet_core.config import MatchConfig, TrainConfig
import tyro


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
class Train:
    """
    Learn an embedding from recordings; the run folder holds the model and TensorBoard events.

    Settings come from --config, then from the command line.

    Example: smaknet train ~/demos/pick_cube --out runs/pick --config config/quick.yaml
    """

    demos: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, or folders of them."""
    out: Path
    """Run folder to write; must not exist."""
    config: Path | None = None
    """YAML file of settings."""
    cameras: tuple[str, ...] = ()
    """Cameras to learn from: names, or name:=/topic. Empty means all."""
    resume: bool = False
    """Continue the run in --out where it stopped."""
    cache: Path | None = None
    """Where decoded frames are kept; default: the user's cache folder."""
    settings: Annotated[TrainConfig, tyro.conf.arg(name='')] = field(default_factory=TrainConfig)

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.training import run_train

        return run_train(
            self.demos,
            self.out,
            self.settings,
            cameras=self.cameras,
            resume=self.resume,
            cache_dir=self.cache,
        )


@dataclass
class Evaluate:
    """
    Measure how well a model finds the same instant in another view.

    Example: smaknet evaluate runs/pick ~/demos/pick_cube_test --json figures.json
    """

    model: tyro.conf.Positional[Path]
    """Run folder or model file."""
    demos: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, or folders of them."""
    cameras: tuple[str, ...] = ()
    """Cameras to compare: names, or name:=/topic. Empty means all."""
    json: Path | None = None
    """Write the figures, as fractions, to this file."""
    cache: Path | None = None
    """Where decoded frames are kept; default: the user's cache folder."""
    device: str = 'auto'
    """auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of the network."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.evaluation import run_evaluate

        run_evaluate(
            self.model,
            self.demos,
            cameras=self.cameras,
            json_path=self.json,
            cache_dir=self.cache,
            device=self.device,
            threads=self.threads,
        )
        return 0


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
        )
        return 0


@dataclass
class Simulate:
    """
    Record episodes of the small world as rosbag2 folders with known timesteps.

    Example: smaknet simulate demos --episodes 12 --seed 1
    """

    out: tyro.conf.Positional[Path]
    """Folder of the episodes; those that exist are kept."""
    episodes: int = 12
    """How many."""
    seed: int = 0
    """Decides the episodes; the same seed gives the same pixels."""
    views: int = 2
    """Cameras, 1 to 4."""
    rate: float = 10.0
    """Frames per second of each camera."""
    lab: int = 0
    """Decides the room, the backgrounds and the cameras' places."""
    scenario: str = 'normal'
    """normal, pause or other-task."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from rich.console import Console
        from rich.progress import Progress
        from smaknet_core.simulation.recorder import record_many

        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task('simulating', total=self.episodes)
            record_many(
                self.out,
                episodes=self.episodes,
                seed=self.seed,
                scenario=self.scenario,
                cameras=self.views,
                rate_hz=self.rate,
                lab=self.lab,
                progress=lambda done, _total: bar.update(task, completed=done),
            )
        print(f'{self.out}: {self.episodes} episodes')
        return 0
