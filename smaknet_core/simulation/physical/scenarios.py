"""What can be recorded of the physical world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from smaknet_core.simulation.physical.cameras import NAMES
from smaknet_core.simulation.world import World

SCENARIOS: Mapping[str, str] = {
    'normal': 'the pour, at its own tempo',
    'pause': 'the pour, with one long pause',
    'repeat': 'the cup is lifted, set down again and lifted once more',
    'skip': 'the cup passes over the recipient without pouring',
    'mid-start': 'the recording begins in the middle of the pour',
    'occlusion': 'something hides the scene from the first camera for a while',
    'other-task': 'the empty cup is swung about and set down nearer',
}
CAMERAS = NAMES
DEMONSTRATORS = ('hand', 'robot')


def make_world(
    seed: int,
    scenario: str,
    cameras: Sequence[str],
    size: tuple[int, int],
    lab: int,
    demonstrator: str = 'hand',
    turn_deg: float = 0.0,
) -> World:
    """
    Build one episode of the physical world.

    Args:
        seed: decides the episode.
        scenario: one of SCENARIOS.
        cameras: some of CAMERAS.
        size: height and width of the frames in pixels.
        lab: decides the room, the light and where the cameras are.
        demonstrator: one of DEMONSTRATORS.
        turn_deg: how far the third-person camera is moved around the table, see `cameras.turned`.

    Raises:
        ConfigError: MuJoCo, the meshes or OpenGL are missing; names the remedy.
    """
    from smaknet_core.simulation.physical.pouring import Pouring

    return Pouring(seed, scenario, cameras, size, lab, demonstrator, turn_deg)
