"""The tables of the study: the slides' two, with the figures they print, and what they lack."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A row of a table, with the slides' figures as printed there; '' where they have none."""

    row: str
    iterations: str = ''
    parameters: str = ''
    alignment: str = ''  # %
    classification: str = ''  # %, as TCN's code computes it


class Layout(NamedTuple):
    """Which rows stand in a table."""

    name: str  # of its files
    title: str
    lines: tuple[Line, ...]


LAYOUTS = (
    Layout(
        'architectures',
        'SMAK-Net and the multi-view TCN',
        (
            Line('tcn', '224k', '', '17.5', '19.3'),
            Line('att12', '69k', '', '14.1', '16.71'),
            Line('att23', '69k', '', '13.0', '16.01'),
            Line('att13', '69k', '', '12.2', '15.98'),
            Line('att123', '69k', '', '10.9', '16.1'),
        ),
    ),
    Layout(
        'configurations',
        'Ablation: configurations of SMAK-Net',
        (
            Line('att123', '', '1082k', '10.92', '16.1'),
            Line('extended', '', '1580k', '11.9', '17.01'),
            Line('softmax', '', '1082k', '13.6', '16.64'),
            Line('resnet18', '', '1080k', '13.1', '18.86'),
        ),
    ),
    Layout(
        'beyond',
        'What the slides do not compare: losses, one camera, a shipped trunk',
        (
            Line('npairs'),
            Line('triplet_all'),
            Line('triplet_semihard'),
            Line('infonce'),
            Line('one_camera'),
            Line('lite0_frozen'),
            Line('lite0_finetuned'),
        ),
    ),
)
