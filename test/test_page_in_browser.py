"""The report in a real browser: its script moves the cursor, and nothing complains."""

from html.parser import HTMLParser
from pathlib import Path
import re

import cv2
import numpy as np
import pytest
from smaknet_core.demonstration import Demonstration
from smaknet_core.errors import ConfigError
from smaknet_core.report import Run, write_report
from smaknet_core.report.browser import find_browser, read_dom, take_picture
from smaknet_core.types import Match, State

STEPS = 30
HOSTILE = '"><img src=x onerror=alert(1)></script><script>document.title="taken"</script>'

# What a hand would do to the first stream; after each step, both readouts' seconds are noted.
DRIVER = """<script>
const [one, two] = document.querySelectorAll('.run');
const told = [[], []];
const seconds = run => run.querySelector('.readout b').textContent.replace(' s', '');
const note = () => { told[0].push(seconds(one)); told[1].push(seconds(two)); };
const pause = ms => new Promise(done => setTimeout(done, ms));
const slider = one.querySelector('.slider');
const key = key => slider.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
async function drive() {
  note();
  slider.value = 100 * 2.0 / 2.9;
  slider.dispatchEvent(new Event('input'));
  note();
  key('ArrowRight'); note();
  key('ArrowLeft'); note();
  const area = one.querySelector('.track .area'), box = area.getBoundingClientRect();
  area.dispatchEvent(new PointerEvent('pointerdown', { clientX: box.left + 1 }));
  note();
  one.querySelector('.film tr.live').cells[13].firstElementChild.click(); note();
  location.hash = '#t=2.5'; await pause(50); note();
  one.querySelector('.play').click(); note();
  await pause(3000); note();
  document.documentElement.dataset.told = told.map(each => each.join(' ')).join('|');
}
drive();
</script>"""

try:
    find_browser()
except ConfigError:
    pytest.skip('Chromium is not installed', allow_module_level=True)


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One stream of 30 sets, 10 a second; the frame of set n has 8 n as its red."""
    reds = [np.full((48, 64, 3), (8 * n, 90, 60), np.uint8) for n in range(STEPS)]
    demonstration = Demonstration(
        name=HOSTILE,
        task='pour',
        cameras=('front',),
        stamps_ns=np.arange(STEPS, dtype=np.int64) * 100_000_000,
        embeddings=np.ones((STEPS, 1, 4), np.float32),
        thumbnails=np.stack(reds)[:, None],
        model_hash='0' * 64,
    )
    matches = [_match(n) for n in range(STEPS)]
    run = Run(
        HOSTILE,
        demonstration,
        matches,
        frames={match.stamp_ns: {'side': reds[n]} for n, match in enumerate(matches)},
        truth=np.arange(STEPS, dtype=float),
        latencies_s=np.linspace(0.005, 0.02, STEPS),
        attention={
            match.stamp_ns: {'side': {1: np.eye(8, dtype=np.float32)}} for match in matches
        },
        others={'clock only': np.arange(STEPS)[::-1].astype(float)},
    )
    return write_report(tmp_path_factory.mktemp('page'), [run, run], title=HOSTILE)


def _match(step: int) -> Match:
    return Match(
        stamp_ns=10**18 + step * 100_000_000,
        demonstration=HOSTILE,
        timestep=step,
        timesteps=STEPS,
        time_s=0.1 * step,
        progress=step / (STEPS - 1),
        rate=1.0,
        distance=0.1,
        confidence=0.9,
        margin=0.2,
        interval_s=(max(0.0, 0.1 * step - 0.2), 0.1 * step + 0.2),
        state=State.INIT if step < 5 else State.TRACKING,
    )


class Stage(HTMLParser):
    """What is on the stages: pictures, readouts; and where the cursors and sliders are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.readouts: list[str] = []
        self.cursors: list[str] = []
        self.title = ''
        self._within = ''
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: str(value) for key, value in attrs}
        if tag == 'figure':
            self._within = 'figure'
        elif tag == 'p' and given.get('class') == 'readout':
            self._within = 'readout'
            self.readouts.append('')
        elif tag == 'title':
            self._within = 'title'
        elif tag == 'section' and 'run' in given.get('class', '').split():
            self.cursors.append(given.get('style', ''))
        elif tag == 'img' and self._within == 'figure':
            self.pictures.append(given['src'])

    def handle_endtag(self, tag: str) -> None:
        if tag in ('figure', 'p', 'title'):
            self._within = ''

    def handle_data(self, data: str) -> None:
        if self._within == 'readout':
            self.readouts[-1] += data
        elif self._within == 'title':
            self.title += data


def test_the_address_moves_the_cursor_of_every_stream(page: Path) -> None:
    for seconds in (0, 2.9):
        html, log = read_dom(page, f'#t={seconds}')
        stage = Stage(html)
        assert 'CONSOLE' not in log
        assert len(stage.readouts) == len(stage.cursors) == 2
        for readout, cursor in zip(stage.readouts, stage.cursors, strict=True):
            assert readout.startswith(f'{seconds:.1f} s into the stream')
            assert f'timestep {10 * seconds:.0f} of 29' in readout
            place = re.search(r'--at:\s*([\d.]+)%', cursor)
            assert place
            assert float(place[1]) == pytest.approx(100 * seconds / 2.9, abs=0.01)
        assert len(stage.pictures) == 2 * 3  # live, matched and one level, of two streams
        assert len(set(stage.pictures)) == 2  # the taught frames are the live ones here


def test_another_moment_is_another_picture(page: Path) -> None:
    first, second = (Stage(read_dom(page, f'#t={t}')[0]).pictures[0] for t in (0.5, 2.5))
    assert first != second


def test_an_address_of_nonsense_shows_the_first_choice(page: Path) -> None:
    wanted = Stage(read_dom(page)[0]).readouts
    for fragment in ('#t=1e9', '#<img src=x>'):
        html, log = read_dom(page, fragment)
        assert Stage(html).readouts == wanted
        assert 'CONSOLE' not in log


def test_slider_keys_clicks_and_play_move_the_moment(page: Path, tmp_path: Path) -> None:
    policy = re.search(r'<meta http-equiv="Content-Security-Policy"[^>]*>', page.read_text())
    assert policy
    driven = tmp_path / 'driven.html'
    driven.write_text(page.read_text().replace(policy[0], '') + DRIVER)
    html, log = read_dom(driven, '#t=1')
    assert 'CONSOLE' not in log
    told = re.search(r'data-told="([^"]*)"', html)
    assert told
    first, second = (moments.split() for moments in told[1].split('|'))
    #                address slider right left chart film moved-hash playing, after 3 s
    assert first == ['1.0', '2.0', '2.1', '2.0', '0.0', '1.2', '2.5', '2.5', '2.9']
    assert set(second) == {'1.0', '2.5'}  # the other stream follows the address only


def test_names_run_no_script_even_if_they_were_not_escaped(page: Path, tmp_path: Path) -> None:
    html, log = read_dom(page)
    assert Stage(html).title == HOSTILE
    assert 'CONSOLE' not in log
    careless = tmp_path / 'careless.html'
    careless.write_text(
        page.read_text().replace('<h1>', '<script>document.title="taken"</script>')
    )
    html, log = read_dom(careless)
    assert Stage(html).title == HOSTILE
    assert 'CONSOLE' in log  # the policy refused it, and said so: silence above means something
    assert 'Content Security Policy' in log


@pytest.mark.parametrize('width', [1280, 500])
def test_it_looks_like_something_and_fits_the_window(
    page: Path, tmp_path: Path, width: int
) -> None:
    log = take_picture(page, tmp_path / 'page.png', (width, 1600), '#t=2')
    assert 'CONSOLE' not in log
    picture = cv2.imread(str(tmp_path / 'page.png'))[..., ::-1].astype(int)
    assert picture.shape == (1600, width, 3)
    live = (np.abs(picture - (160, 90, 60)).max(axis=2) < 12).mean()
    cursor = (np.abs(picture - (209, 36, 47)).max(axis=2) < 6).sum()
    assert live > 0.01
    assert cursor > 300
    # The page's margin is clear on both sides: nothing is wider than the window.
    assert (np.abs(picture[400:, :6] - (246, 247, 249)).max(axis=2) < 3).all()
    assert (np.abs(picture[400:, -6:] - (246, 247, 249)).max(axis=2) < 3).all()
