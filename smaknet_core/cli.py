"""
`smaknet`: one command per step of the line.

A wrong argument or a bad file is one line on standard error and exit code 2. Each command imports
what it needs when it runs, so that `smaknet --help` is instant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import contextlib
import io
import os
from pathlib import Path
import sys
from typing import Any

from smaknet_core.config import load_yaml, nearest, TrainConfig
from smaknet_core.errors import ConfigError, printable, SaidElsewhere, SmaknetError
from smaknet_core.interrupts import termination_as_interrupt

_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130

# name: what `smaknet --help` says of it; the class of that name in commands.py has the arguments
COMMANDS = {
    'doctor': 'Say whether this machine can train and run the node, and what to do if not.',
    'simulate': 'Record simulated episodes, to try everything without a robot.',
    'import-pouring': 'Turn the published Multi-view Pouring set into recordings.',
    'check': 'Say whether recordings can be learned from: rates, gaps, stamps, synchronisation.',
    'train': 'Learn an embedding from recordings of two or more cameras, without labels.',
    'evaluate': 'Measure alignment error per recording and view pair, beside trivial answers.',
    'ablate': "Run the slides' study: train and measure every network and loss, resumable.",
    'teach': 'Turn one recording into a demonstration that can be followed.',
    'follow': 'Follow a recording through demonstrations, exactly as the live node would.',
    'export': 'Write a model as ONNX, which commands and node run faster on a CPU.',
    'explain': 'Show in a video and a figure where in each frame the network looks.',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    # Threads that wait in a spin slow a shared CPU down several times over; must precede torch.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments else ''
    try:
        code = _dispatch(name, arguments[1:])
        sys.stdout.flush()  # a reader that went away is noticed here, not at exit
        return code
    except BrokenPipeError:  # `smaknet check ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SaidElsewhere:
        return _EXIT_USAGE
    except (SmaknetError, OSError) as err:  # OSError: the disk, where no module says it better
        print(f'smaknet {name}: {printable(" ".join(str(err).split()))}', file=sys.stderr)
        return _EXIT_USAGE
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED


def _dispatch(name: str, rest: list[str]) -> int:
    if name in ('', '-h', '--help', 'help'):
        print(_overview())
        return 0 if name else _EXIT_USAGE
    if name not in COMMANDS:
        print(f'smaknet: no command {name!r}{nearest(name, COMMANDS)}', file=sys.stderr)
        return _EXIT_USAGE
    if name == 'doctor' and not rest:  # has to work where not even tyro does
        from smaknet_core.doctor import run_doctor

        return run_doctor()
    with termination_as_interrupt():
        return int(_parse(name, rest).run())


def class_name(command: str) -> str:
    """Name the class in commands.py that has a command's arguments: ImportPouring."""
    return ''.join(word.capitalize() for word in command.split('-'))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f'  {name:<{width}} {line}' for name, line in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: smaknet COMMAND [OPTIONS]',
            '',
            'Where in a demonstration is the scene now, and how sure is that?',
            '',
            *lines,
            '',
            '`smaknet COMMAND --help` explains one and gives an example.',
            'Live: smaknet_matcher (the ROS 2 node) and smaknet_player (plays a recording).',
        ]
    )


def _parse(name: str, argv: list[str]) -> Any:
    """Parse arguments into the command's dataclass; tyro's boxed complaint becomes one line."""
    from smaknet_core import commands
    import tyro

    kind = getattr(commands, class_name(name))
    options: dict[str, Any] = {}
    config = _config_path(argv) if name in ('train', 'ablate') else None
    if config is not None:  # the file's settings become the defaults that --help shows
        settings = load_yaml(TrainConfig, config)
        options['default'] = kind(tyro.MISSING, tyro.MISSING, config, settings=settings)
    complaint = io.StringIO()
    asks = {'-h', '--help'} & set(argv)
    try:
        with contextlib.redirect_stderr(complaint), contextlib.nullcontext() if asks else _wide():
            return tyro.cli(kind, args=argv, prog=f'smaknet {name}', **options)
    except SystemExit as end:
        if end.code in (0, None):  # --help
            raise
        raise ConfigError(_one_line(complaint.getvalue(), name)) from end


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    """Keep tyro from breaking its complaints into lines of the terminal's width."""
    before = os.environ.get('COLUMNS')
    os.environ['COLUMNS'] = '10000'
    try:
        yield
    finally:
        del os.environ['COLUMNS']
        if before is not None:
            os.environ['COLUMNS'] = before


def _one_line(boxed: str, name: str) -> str:
    """Take the words out of a box drawn over several lines."""
    lines = [line.strip(' ╭╮╰╯│─') for line in boxed.splitlines()]
    hint = f'smaknet {name} --help'
    words = [line for line in lines if line and line != hint and 'full helptext' not in line]
    return f'{"; ".join(words[1:] or words).replace(":; ", ": ")} (see {hint})'


def _config_path(argv: list[str]) -> Path | None:
    """Find --config before the real parsing, since its file decides the defaults shown."""
    found = None
    for word, following in zip(argv, [*argv[1:], None], strict=False):
        if word == '--config' and following is not None:
            found = Path(following)
        if word.startswith('--config='):
            found = Path(word.partition('=')[2])
    return found
