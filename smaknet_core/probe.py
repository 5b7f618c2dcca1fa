"""
What the interpreter can import, asked of a second one: the doctor's instrument.

An import may crash, hang or print, and ROS must never come into smaknet_core; so other processes
import, and write what they learn line by line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
import json
import signal
import subprocess
import sys
from typing import Any, Final

# A first import from a slow disk may take half of it on a busy machine; longer is a hang.
TIMEOUT_S: Final = 60.0
_PARALLEL: Final = 3
_MARK: Final = 'smaknet-probe '
# The folder we happen to be in must not stand in for a library.
_PRELUDE: Final = f"""
import importlib, importlib.metadata, json, os, sys
sys.path[:] = [path for path in sys.path if path]
def tell(**facts):
    print('\\n{_MARK}' + json.dumps(facts), flush=True)
"""
# Imported by one process each, to save time: fabric imports torch, OpenCV imports NumPy.
_TOGETHER: Final = (
    ('torch', 'lightning-fabric'),
    ('opencv-python-headless', 'numpy'),
)
_LIBRARY: Final = """
for name, module_name in zip(sys.argv[1::2], sys.argv[2::2]):
    tell(begun=name)
    module = importlib.import_module(module_name)
    version = getattr(module, '__version__', None) or importlib.metadata.version(name)
    facts = {'version': str(version)}
    if name == 'opencv-python-headless':
        facts['qt'] = os.path.isdir(os.path.join(os.path.dirname(module.__file__), 'qt'))
    tell(**{name: facts})
    if name == 'torch':  # may hang where the driver does
        facts['build'] = module.version.cuda or module.version.hip
        count = module.cuda.device_count() if module.cuda.is_available() else 0
        facts['devices'] = [module.cuda.get_device_name(number) for number in range(count)]
        tell(torch=facts)
"""


@dataclass(frozen=True)
class Probe:
    """What a process said before it ended, and why it ended early."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ''  # one line; '' if it went through


def probe(code: str, arguments: Sequence[str] = (), timeout_s: float = TIMEOUT_S) -> Probe:
    """
    Run code in a fresh interpreter; never raises for what happens there.

    Args:
        code: Python; calls `tell(name=value, ...)` with what JSON can hold.
        arguments: its `sys.argv[1:]`.
        timeout_s: after this it is killed, what it told until then is kept.
    """
    command = [sys.executable, '-W', 'ignore', '-c', _PRELUDE + code, *arguments]
    try:
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        return Probe(_facts(err.stdout), f'no answer within {timeout_s:g} s')
    except OSError as err:
        return Probe(fault=f'{sys.executable} cannot be started ({err.strerror or err})')
    return Probe(_facts(run.stdout), _fault(run.returncode, run.stderr))


def probe_all(codes: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, Probe]:
    """Run several (code, arguments) side by side; the results have the same keys."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        results = pool.map(lambda job: probe(*job), codes.values())
        return dict(zip(codes, results, strict=True))


def import_libraries(
    modules: Mapping[str, str], others: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[str, Probe]:
    """
    Import libraries, several by one process, and run other probes beside them.

    Args:
        modules: distribution -> module.
        others: as for `probe_all`.

    Returns:
        The others' probes, and one per distribution: `version`; of OpenCV also `qt` (brings
        plugins of its own); of torch also `build` (its CUDA) and `devices` (names of GPUs).
    """
    rest = [name for name in modules if all(name not in names for names in _TOGETHER)]
    groups = [*_TOGETHER, rest]
    jobs = {str(number): _importing(names, modules) for number, names in enumerate(groups)}
    answers = probe_all({**jobs, **others})
    found = {name: answers[name] for name in others}
    for job in jobs:
        found |= _by_library(answers[job])
    # What a broken one kept from its turn gets a process of its own.
    left = [name for name in modules if name not in found]
    return found | {
        name: answer
        for single in probe_all({name: _importing([name], modules) for name in left}).values()
        for name, answer in _by_library(single).items()
    }


def _importing(names: Sequence[str], modules: Mapping[str, str]) -> tuple[str, list[str]]:
    return _LIBRARY, [word for name in names for word in (name, modules[name])]


def _by_library(answer: Probe) -> dict[str, Probe]:
    """Part what one process told by distribution; its fault is that of the last one begun."""
    facts = dict(answer.facts)
    begun = str(facts.pop('begun', ''))
    found = {name: Probe(told) for name, told in facts.items()}
    if begun and answer.fault:
        found[begun] = Probe(facts.get(begun, {}), answer.fault)
    return found


def _facts(output: bytes | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in (output or b'').decode(errors='replace').splitlines():
        if line.startswith(_MARK):
            facts.update(json.loads(line.removeprefix(_MARK)))
    return facts


def _fault(code: int, errors: bytes) -> str:
    """Say in one line why a process did not end well; '' if it did."""
    if code == 0:
        return ''
    if code < 0:
        try:
            return f'crashed ({signal.Signals(-code).name})'
        except ValueError:
            return f'crashed (signal {-code})'
    lines = [' '.join(line.split()) for line in errors.decode(errors='replace').splitlines()]
    # What was compiled against another NumPy says so above an exception that does not.
    telling = [line for line in lines if '_ARRAY_API' in line] or [line for line in lines if line]
    return telling[-1] if telling else f'ended with code {code}'
