"""
One episode of the physical world: who does what with which cup, in which room, and what is true.

The liquid is simulated first, for the whole episode; pictures can then be taken of any moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from smaknet_core.simulation.physical.cameras import Cameras, turned
from smaknet_core.simulation.physical.choreography import Pour, Shake
from smaknet_core.simulation.physical.clutter import Clutter
from smaknet_core.simulation.physical.demonstrators import make_demonstrator
from smaknet_core.simulation.physical.liquid import Liquid, simulate_pour
from smaknet_core.simulation.physical.performance import Performance
from smaknet_core.simulation.physical.room import Room
from smaknet_core.simulation.physical.studio import Part, Studio
from smaknet_core.simulation.physical.table_setting import draw_setting
from smaknet_core.simulation.physical.timeline import draw_timeline
from smaknet_core.simulation.physical.vessels import Occluder, Vessels
from smaknet_core.simulation.pose import Pose
from smaknet_core.simulation.world import Intrinsics, Joints, Truth
from smaknet_core.types import Image

NEAR_M = 0.12  # cup to recipient, over the table: within pouring distance
FAR_M = 0.3  # from here on the hand is not near the cup at all
FILLED = 0.03  # share of the liquid from which on the recipient contains some


class Pouring:
    """One episode; implements `world.World`."""

    def __init__(
        self,
        seed: int,
        scenario: str,
        cameras: Sequence[str],
        size: tuple[int, int],
        lab: int,
        demonstrator: str,
        turn_deg: float = 0.0,
    ) -> None:
        """Arguments as `scenarios.make_world`."""
        self.cameras = tuple(cameras)
        self._seed, self._size, self._lab = seed, size, lab
        self._shakes = scenario == 'other-task'
        self.task = 'shake the cup' if self._shakes else 'pour the cup into the recipient'
        self._source, self._recipient, self._places = draw_setting(seed)
        self._performance = self._rehearse(scenario)
        self.duration_s = self._performance.timeline.duration_s
        self._start_s = self._performance.timeline.start_s
        self._demonstrator = make_demonstrator(demonstrator, self._performance, self._rng(6))
        begins_s, lasts_s = self._hidden(scenario)
        self._occluder = Occluder(self._rng(7), begins_s, lasts_s)
        self.hidden_s = (begins_s, begins_s + lasts_s) if lasts_s else None
        self._pour = None if self._shakes else self._let_flow()
        self._studio: Studio | None = None
        self._room = Room(lab, demonstrator)
        self._views = Cameras(turned(self._room.viewpoints, turn_deg), self._rng(8))

    def _rng(self, purpose: int) -> np.random.Generator:
        """Randomness of one purpose, so that changing one leaves the others alone."""
        return np.random.default_rng([self._seed, purpose])

    def _rehearse(self, scenario: str) -> Performance:
        source, places, rng = self._source, self._places, self._rng(4)
        choreography = (
            Shake(source, places, rng)
            if self._shakes
            else Pour(source, self._recipient, places, rng)
        )
        timeline = draw_timeline(choreography.phases, scenario, self._rng(5))
        return Performance(choreography, timeline)

    def _hidden(self, scenario: str) -> tuple[float, float]:
        """When the first camera's view is hidden, and how long; seconds."""
        rng = self._rng(9)
        begins, lasts = rng.uniform(0.25, 0.6) * self.duration_s, rng.uniform(1.0, 2.5)
        return (begins, lasts) if scenario == 'occlusion' else (-1.0, 0.0)

    def _let_flow(self) -> Any:
        return simulate_pour(
            self._source,
            self._recipient,
            self._places.recipient,
            lambda time_s: self._performance.since_beginning(time_s).cup,
            self._performance.timeline.whole_s,
            self._rng(10),
        )

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the script's phases, in order."""
        return [phase.name for phase in self._performance.choreography.phases]

    @property
    def delivered(self) -> float | None:
        """Share of the liquid that ends in the recipient, 0 ... 1; None where none flows."""
        return None if self._pour is None else float(self._pour.delivered)

    def truth(self, time_s: float) -> Truth:
        """What is true at a time; see `world.Truth`."""
        now, since = self._performance.at(time_s), time_s + self._start_s
        centre = now.cup.position + now.cup.matrix @ [0, 0, self._source.height / 2]
        away = np.hypot(*(centre - self._places.recipient)[:2])
        reach = float(np.linalg.norm(now.grasp.frame.position - centre))
        pour = self._pour
        return Truth(
            progress=self._performance.progress(time_s),
            phase=now.phase,
            contact=now.closed > 0.9,
            near=bool(away < NEAR_M),
            container_angle=_nearest_angle(90 - now.tilt_deg),
            liquid_flowing=pour is not None and pour.flowing_at(since),
            has_liquid=pour is not None
            and pour.in_recipient_at(since) > FILLED * pour.beads.shape[1],
            position_m=(float(centre[0]), float(centre[1]), float(centre[2])),
            angle_deg=now.tilt_deg,
            grasp=now.closed,
            approach=float(np.clip(1 - reach / FAR_M, 0, 1)),
        )

    def render(self, camera: str, time_s: float) -> Image:
        """Show what a camera sees at a time, H x W x 3 RGB uint8."""
        if self._studio is None:
            self._studio = self._build()
        hides = camera == self.cameras[0]
        lens = self._views.camera_pose(camera, time_s)

        def place(model: Any, data: Any) -> None:
            self._vessels.place(data, self._performance.at(time_s).cup)
            self._demonstrator.place(model, data, time_s)
            self._occluder.place(data, lens, time_s, hides)
            if self._liquid is not None:
                self._liquid.place(model, data, time_s + self._start_s)

        return self._studio.render(camera, time_s, place)

    def _build(self) -> Studio:
        self._vessels = Vessels(self._source, self._recipient, self._places.recipient)
        self._liquid = None if self._pour is None else Liquid(self._pour, self._rng(11))
        parts: list[Part] = [self._vessels, self._demonstrator, self._occluder]
        parts += [Clutter(self._rng(12), self._room)]
        parts += [] if self._liquid is None else [self._liquid]
        return Studio(parts, self._room, self._views, self._size, self._seed)

    def intrinsics(self, camera: str) -> Intrinsics:
        """Say how a camera projects; the same all through the episode."""
        return Intrinsics(*self._size, *self._views.intrinsics(camera, self._size))

    def object_pose(self, time_s: float) -> Pose:
        """Say where the poured cup's foot is, z up through it, on the table."""
        return self._performance.at(time_s).cup

    def joints(self, time_s: float) -> Joints | None:
        """Say where the robot's joints are; None where a hand demonstrates."""
        return self._demonstrator.joints(time_s)

    def close(self) -> None:
        """Give the renderer back."""
        if self._studio is not None:
            self._studio.close()
            self._studio = None


def _nearest_angle(degrees: float) -> int:
    return min((90, 45, 0, -45), key=lambda angle: abs(angle - degrees))
