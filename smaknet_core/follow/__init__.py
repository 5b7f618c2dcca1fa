"""
The whole line at work: teach a demonstration, follow it live or in a recording.

`commands` holds the bodies of `smaknet teach` and `smaknet follow`.
"""

from smaknet_core.follow.follower import embed_sets, Embeds, Followed, Follower
from smaknet_core.follow.recorded import follow_recording, RecordedSets
from smaknet_core.follow.teaching import teach

__all__ = [
    'Embeds',
    'Followed',
    'Follower',
    'RecordedSets',
    'embed_sets',
    'follow_recording',
    'teach',
]
