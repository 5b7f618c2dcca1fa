"""
The arguments of the commands that learn and measure, as `--help` shows them; see commands.py.

Each command imports what it needs when it runs; parsing arguments loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
import shlex
import sys
from typing import Annotated, Literal

from smaknet_core.config import TrainConfig
import tyro

Engine = Literal['auto', 'torch', 'onnx']


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
    backbone_weights: Path | None = None
    """Weights of the trunk of --model.system: a file, .pth or .safetensors."""
    cache: Path | None = None
    """Where decoded frames are kept; default: the user's cache folder."""
    settings: Annotated[TrainConfig, tyro.conf.arg(name='')] = field(default_factory=TrainConfig)

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.training import run_train

        return run_train(
            self.demos,
            self.out,
            self._settings(),
            cameras=self.cameras,
            resume=self.resume,
            cache_dir=self.cache,
        )

    def _settings(self) -> TrainConfig:
        if self.backbone_weights is None:
            return self.settings
        model = replace(self.settings.model, backbone_weights=str(self.backbone_weights))
        return replace(self.settings, model=model)


@dataclass
class Evaluate:
    """
    Measure how well a model finds the same instant in another view and in other recordings.

    Alignment error needs two cameras; classification error and progression need labels.csv beside
    the recordings and, as Kendall's tau, two recordings of a task.

    Recordings kept for the very last test are spoilt by choosing a model with them. With --log,
    every evaluation adds a line to a file, and says how often the same were evaluated before.

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
    log: Path | None = None
    """Add to this file (a JSON object a line) that these recordings were evaluated."""
    invariance: bool = False
    """Also measure alignment under other scale, brightness and background."""
    cache: Path | None = None
    """Where decoded frames are kept; default: the user's cache folder."""
    device: str = 'auto'
    """auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of the network."""
    engine: Engine = 'auto'
    """auto, torch or onnx; auto is ONNX Runtime on a CPU, once `smaknet export` was run."""

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.evaluation import run_evaluate

        run_evaluate(
            self.model,
            self.demos,
            cameras=self.cameras,
            json_path=self.json,
            log_path=self.log,
            invariance=self.invariance,
            cache_dir=self.cache,
            device=self.device,
            threads=self.threads,
            engine=self.engine,
        )
        return 0


@dataclass
class Ablate:
    """
    Run the slides' study: train and measure every network and loss, write tables and pictures.

    Rows: tcn, att12, att23, att13, att123, extended, softmax, resnet18; the losses npairs,
    triplet_all, triplet_semihard, infonce; one_camera; lite0_frozen, lite0_finetuned. Each is a
    difference against --config. What is finished is never trained again: the same command goes
    on after Ctrl-C, and with more --seeds or other rows. Exit code 1 if a cell failed.

    --rows compares your own instead, from a YAML file: names, each with what it changes of
    --config and a remark that tables call it by, such as
    `colder: {remark: temperature 0.05, loss: {temperature: 0.05}}`; `base: {}` is --config itself.

    Example: smaknet ablate demos --out out/ablation --seeds 3 --minutes 6 --workers 2

    Example: smaknet ablate demos --out out/recipe --rows config/recipe_steps.yaml
    """

    demos: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, or folders of them."""
    out: Path
    """Folder of the study: runs.csv, run folders, tables, pictures, study.md."""
    config: Path | None = None
    """YAML file of the settings that all rows share."""
    seeds: int = 1
    """Networks of each row, from --seed on."""
    minutes: float = 6.0
    """Training time of each; 0 means --optim.steps alone."""
    rows: Path | None = None
    """YAML file of rows to compare instead of the slides'."""
    only: tuple[str, ...] = ()
    """Rows to train now. Empty means all."""
    test: tuple[Path, ...] = ()
    """Recordings to measure on; default: held out of DEMOS (--data.held-out)."""
    moved: tuple[Path, ...] = ()
    """The test recordings again with a moved camera (smaknet simulate --turn), for invariance."""
    cameras: tuple[str, ...] = ()
    """Cameras to learn from: names, or name:=/topic. Empty means all."""
    size: int = 96
    """Rows and columns of the networks' input, pixels, whatever --config says."""
    workers: int = 1
    """Networks trained at the same time, each in a process of one thread."""
    tcn_weights: str = ''
    """ImageNet weights of TCN's trunk: a file, or Inception_V3_Weights.DEFAULT. Empty: random."""
    resnet_weights: str = ''
    """ImageNet weights of ResNet-18: a file, or ResNet18_Weights.DEFAULT. Empty: random."""
    retry_failed: bool = False
    """Begin anew what failed before."""
    cache: Path | None = None
    """Where decoded frames are kept; default: the user's cache folder."""
    settings: Annotated[TrainConfig, tyro.conf.arg(name='')] = field(default_factory=TrainConfig)

    def run(self) -> int:
        """Run the command; return its exit code."""
        from smaknet_core.ablation import read_rows, ROWS, run_ablate, Study

        data = replace(self.settings.data, height=self.size, width=self.size)
        study = Study(
            self.demos,
            self.out,
            replace(self.settings, data=data),
            seeds=self.seeds,
            minutes=self.minutes,
            only=self.only,
            test=self.test,
            moved=self.moved,
            weights={'tcn': self.tcn_weights, 'resnet18': self.resnet_weights},
            cameras=self.cameras,
            cache_dir=self.cache,
            compared=ROWS if self.rows is None else read_rows(self.rows),
        )
        return run_ablate(
            study,
            workers=self.workers,
            retry_failed=self.retry_failed,
            command=shlex.join(['smaknet', *sys.argv[1:]]),
        )
