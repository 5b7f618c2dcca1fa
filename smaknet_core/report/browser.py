"""
The page as a real browser shows it: Chromium without a window, on a file of our own.

For pictures of the page and for its tests; nothing of smaknet needs a browser.
"""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import tempfile

from smaknet_core.errors import ConfigError, DataError

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
DEADLINE_S = 120.0
_QUIET = (
    *('--headless', '--disable-gpu', '--disable-quic', '--disable-sync', '--no-first-run'),
    *('--disable-background-networking', '--disable-component-update', '--hide-scrollbars'),
    *('--disable-extensions', '--disable-dev-shm-usage', '--enable-logging=stderr', '--v=0'),
)


def find_browser() -> str:
    """Give the path of an installed Chromium; ConfigError when there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise ConfigError('there is no Chromium here: sudo apt install chromium')
    return found


def take_picture(
    page: Path, picture: Path, size: tuple[int, int] = (1280, 1024), fragment: str = ''
) -> str:
    """
    Photograph the top of a page, as PNG.

    Args:
        page: an HTML file.
        picture: the file to write, replaced if it is there.
        size: of the window, pixels: width and height.
        fragment: what the address ends in, e.g. '#t=3.5'.

    Returns:
        What the browser wrote to its log; the page's own errors are lines with CONSOLE.

    Raises:
        ConfigError: no browser.
        DataError: it failed, or `picture` cannot be written.
    """
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.unlink(missing_ok=True)
    except OSError as err:
        raise DataError(f'{picture}: cannot be written ({err.strerror or err})') from err
    window = f'--window-size={size[0]},{size[1]}'
    done = _browse(page, [window, f'--screenshot={picture.resolve()}'], fragment)
    if not picture.exists():
        raise DataError(f'{picture}: the browser took no picture; {_last_line(done.stderr)}')
    return done.stderr


def read_dom(page: Path, fragment: str = '') -> tuple[str, str]:
    """Load a page, let its script run, and give its HTML and the browser's log; as above."""
    done = _browse(page, ['--dump-dom', '--virtual-time-budget=5000'], fragment)
    if not done.stdout:
        raise DataError(f'{page}: the browser gave no page; {_last_line(done.stderr)}')
    return done.stdout, done.stderr


def _browse(page: Path, arguments: list[str], fragment: str) -> subprocess.CompletedProcess[str]:
    sandbox = ['--no-sandbox'] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
    with tempfile.TemporaryDirectory(prefix='smaknet_browser_') as profile:
        command = [find_browser(), *_QUIET, *sandbox, f'--user-data-dir={profile}', *arguments]
        try:
            return subprocess.run(
                [*command, page.resolve().as_uri() + fragment],
                capture_output=True,
                text=True,
                errors='replace',
                stdin=subprocess.DEVNULL,
                timeout=DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as err:
            raise DataError(f'{page}: the browser took longer than {DEADLINE_S:.0f} s') from err


def _last_line(log: str) -> str:
    return (log.strip().splitlines() or ['it said nothing'])[-1]
