"""Where figures come from: which code, which machine, which software."""

from __future__ import annotations

import functools
import importlib.metadata
import os
from pathlib import Path
import platform
import subprocess

ROOT = Path(__file__).resolve().parents[1]  # of the checkout, where there is one
PACKAGE = 'smaknet_ros'


@functools.cache
def code_version() -> str:
    """Give the checkout's commit, + where files differ from it, or the package's version."""
    try:
        if Path(_git('rev-parse', '--show-toplevel')) == ROOT:
            changed = _git('status', '--porcelain', '--untracked-files=no')
            return _git('rev-parse', '--short=10', 'HEAD') + ('+' if changed else '')
    except (OSError, subprocess.SubprocessError):
        pass  # installed, not checked out, or no git here
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return 'unknown'


def machine() -> str:
    """Describe this machine: processor, cores it may use, graphics card if any."""
    import torch

    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    parts = [names[0] if names else platform.machine(), f'{len(os.sched_getaffinity(0))} cores']
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ', '.join(parts)


def software() -> str:
    """Name the versions that figures may depend on."""
    return f'Python {platform.python_version()}, torch {importlib.metadata.version("torch")}'


def _git(*words: str) -> str:
    run = subprocess.run(
        ['git', '-C', str(ROOT), *words], capture_output=True, text=True, timeout=10, check=True
    )
    return run.stdout.strip()
