"""The report: right numbers, nothing fetched, nothing executed, whatever things are called."""

import base64
import hashlib
from html.parser import HTMLParser
import subprocess
import sys

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.demonstration import Demonstration
from smaknet_core.errors import DataError
from smaknet_core.report import (
    choose_stamps,
    compare,
    measure,
    Run,
    summary_table,
    write_report,
)
from smaknet_core.report.charts import draw_states, draw_track
from smaknet_core.report.drawing import Area, ticks
from smaknet_core.report.film import find_slots, MOMENTS
from smaknet_core.types import Match, State

STEPS = 20
START_NS = 1_700_000_000_000_000_000
BLUE, ORANGE = (20, 40, 200), (230, 130, 10)
EVIL = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)> $x_1$ \u4f60'


def demonstration(name='taught', cameras=('front',), task='pour'):
    """Ten frames a second, all thumbnails orange."""
    views = len(cameras)
    return Demonstration(
        name=name,
        task=task,
        cameras=tuple(cameras),
        stamps_ns=np.arange(STEPS, dtype=np.int64) * 100_000_000,
        embeddings=np.ones((STEPS, views, 4), np.float32),
        thumbnails=np.full((STEPS, views, 24, 32, 3), ORANGE, np.uint8),
        model_hash='0' * 64,
    )


def match(index, timestep, state=State.TRACKING, name='taught'):
    time = 0.1 * timestep
    return Match(
        stamp_ns=START_NS + index * 100_000_000,
        demonstration=name,
        timestep=timestep,
        timesteps=STEPS,
        time_s=time,
        progress=timestep / (STEPS - 1),
        rate=1.0,
        distance=0.1,
        confidence=0.9,
        margin=0.2,
        interval_s=(max(0.0, time - 0.1), time + 0.1),
        state=state,
    )


def run(matches, cameras=('front',), **more):
    demo = more.pop('demo', None) or demonstration(cameras=cameras)
    blue = np.full((48, 64, 3), BLUE, np.uint8)
    frames = {m.stamp_ns: dict.fromkeys(cameras, blue) for m in matches}
    return Run(more.pop('title', 'a stream'), demo, matches, frames, **more)


class Page(HTMLParser):
    """Tags, attributes, pictures and text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.pictures, self.text = [], [], [], ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        source = dict(attrs).get('src')
        if source:
            head, data = source.split(',', 1)
            assert head.startswith('data:image/')
            raw = np.frombuffer(base64.b64decode(data), np.uint8)
            self.pictures.append(cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1])

    def handle_data(self, data):
        self.text += data


def test_the_page_shows_live_and_matched_frames_and_what_was_looked_at(tmp_path):
    corner = np.zeros((4, 4), np.float32)
    corner[0, 0] = 1
    looked = {1: np.zeros((8, 8), np.float32), 3: corner}
    matches = [match(i, i) for i in range(STEPS)]
    one = run(
        matches,
        latencies_s=np.full(STEPS, 0.012),
        attention={m.stamp_ns: {'front': looked} for m in matches},
    )
    html = write_report(tmp_path / 'new' / 'folder', [one], title='hello')
    page = Page(html.read_text())
    colours = [picture.mean(axis=(0, 1)) for picture in page.pictures]
    for colour in (BLUE, ORANGE):  # each moment, and the one on the stage
        assert sum(np.abs(mean - colour).max() < 12 for mean in colours) == STEPS + 1
    grey = [picture for picture in page.pictures if np.ptp(picture.mean(axis=(0, 1))) < 12]
    assert len(grey) == 2 * (STEPS + 1)
    # Level 1 had no weight anywhere, level 3 had it in one corner.
    assert sum(np.ptp(picture) > 60 for picture in grey) == STEPS + 1
    assert len(page.pictures) == 4 * (STEPS + 1)
    assert page.tags.count('figure') == 4
    assert 'attention L3, coarse' in page.text
    assert 'hello' in page.text
    assert '12.0 ms' in page.text


def test_a_long_stream_shows_some_moments_and_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    matches = [match(i, i % STEPS) for i in range(200)]
    many = Run('x', demonstration(), matches, {m.stamp_ns: {'front': noise} for m in matches})
    html = write_report(tmp_path, [many])
    text = html.read_text()
    assert text.count('<time ') == MOMENTS
    assert len(Page(text).pictures) == 2 * (MOMENTS + 1)
    assert html.stat().st_size < 6e6  # of pure noise, which no format makes small


def test_cameras_of_one_name_stand_together_and_none_is_left_out(tmp_path):
    one = run([match(0, 3)], cameras=('a', 'b', 'c'), demo=demonstration(cameras=('d', 'b')))
    pairs = [(slot.kind, slot.camera) for slot in find_slots(one, [one.matches[0].stamp_ns])]
    assert pairs == [
        *(('live', 'b'), ('taught', 'b')),
        *(('live', 'a'), ('taught', 'd'), ('live', 'c')),
    ]
    assert 'live: c' in Page(write_report(tmp_path, [one]).read_text()).text


def test_hostile_names_stay_names(tmp_path):
    demo = demonstration(EVIL, (EVIL, 'plain'), EVIL)
    one = run(
        [match(i, i, name=EVIL) for i in range(STEPS)],
        cameras=(EVIL, 'plain'),
        demo=demo,
        title=EVIL,
        others={EVIL: np.zeros(STEPS)},
        truth=np.arange(STEPS, dtype=float),
        notes=[EVIL],
    )
    stranger = run([match(0, 3, name=EVIL)], title='x')  # another demonstration than the run's
    html = write_report(tmp_path, [one, stranger], title=EVIL, notes=[EVIL], facts={EVIL: EVIL})
    page = Page(html.read_text())
    assert page.tags.count('script') == 1
    assert not [a for a in page.attributes if a[1].startswith('on')]
    assert page.text.count(EVIL) >= 8
    assert set(page.tags) <= {
        'html', 'head', 'meta', 'title', 'style', 'script', 'body', 'main', 'h1', 'h2', 'p',
        'section', 'div', 'b', 'i', 'span', 'br', 'wbr', 'table', 'tr', 'th', 'td', 'time', 'img',
        'figure', 'figcaption', 'svg', 'g', 'line', 'polyline', 'polygon', 'path', 'rect',
        'button', 'input', 'dl', 'dt', 'dd',
    }  # fmt: skip


def test_text_that_turns_itself_around_is_replaced(tmp_path):
    html = write_report(tmp_path, [run([match(0, 1)], title='a\u202ebc\x1b[2J\ud800')])
    assert 'a\ufffdbc\ufffd[2J\ufffd' in html.read_text()


def test_the_page_fetches_nothing_and_runs_only_its_own_script(tmp_path):
    html = write_report(tmp_path, [run([match(i, i) for i in range(5)])])
    text = html.read_text()
    page = Page(text)
    addresses = ('src', 'href', 'data', 'srcset', 'action', 'poster')
    sources = [value for _, key, value in page.attributes if key in addresses]
    assert sources
    assert all(source.startswith('data:image/') for source in sources)
    assert 'url(' not in text
    assert '@import' not in text
    assert 'innerHTML' not in text
    policy = next(v for tag, k, v in page.attributes if tag == 'meta' and 'default-src' in str(v))
    script = text.split('<script>')[1].split('</script>')[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert 'unsafe-eval' not in policy


# Charts.


def test_charts_place_what_they_draw():
    area = Area((0.0, 10.0), (-1.0, 1.0))
    assert area.points(np.array([0.0, 5.0, 7.0, 10.0]), np.array([-1.0, 0.0, np.nan, 1.0])) == (
        '0.0,1000.0 500.0,500.0 1000.0,0.0'
    )


@settings(derandomize=True, max_examples=100, deadline=None)
@given(low=st.floats(-1e3, 1e3), length=st.floats(1e-3, 1e5), most=st.integers(1, 12))
def test_ticks_are_round_few_and_inside(low, length, most):
    found = ticks(low, low + length, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * length <= tick <= low + length * (1 + 1e-6) for tick in found)
    steps = np.diff(found)
    if len(steps):
        np.testing.assert_allclose(steps, steps[0], rtol=1e-3)
        mantissa = float(f'{steps[0]:e}'.split('e')[0])
        assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 0.01


def test_the_interval_is_drawn_only_where_a_match_was_published():
    states = [State.TRACKING] * 3 + [State.LOST] * 3 + [State.TRACKING] * 2
    drawn = draw_track(run([match(i, i, state) for i, state in enumerate(states)]))
    bands = [shape.split('"')[0].split() for shape in drawn.split('<polygon points="')[1:]]
    assert [len(outline) for outline in bands] == [6, 4]  # there and back


def test_states_fill_the_bar_with_their_shares():
    states = [State.INIT] * 2 + [State.TRACKING] * 6 + [State.DONE] * 2
    drawn = draw_states(run([match(i, i, state) for i, state in enumerate(states)]))
    widths = [float(part.split('width="')[1].split('"')[0]) for part in drawn.split('<rect')[1:]]
    assert len(widths) == 3
    assert sum(widths) == pytest.approx(1000, abs=0.5)
    assert 'TRACKING 60 %' in drawn


def test_no_frames_one_match_and_odd_states_are_fine(tmp_path):
    bare = Run('bare', demonstration(), [match(0, 5)])
    every = run([match(i, i, state) for i, state in enumerate(State)])
    back = run([match(3, 1), match(1, 2), match(1, 2, State.STALE)])  # a restarted stream
    html = write_report(tmp_path, [bare, every, back])
    for state in State:
        assert state.value in html.read_text()


def test_a_report_is_replaced_and_nothing_else_touched(tmp_path):
    (tmp_path / 'mine.txt').write_text('keep')
    write_report(tmp_path, [run([match(0, 1)], title='older')])
    html = write_report(tmp_path, [run([match(0, 1)], title='newer')])
    assert 'newer' in html.read_text()
    assert 'older' not in html.read_text()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ['mine.txt', 'report.html']


def test_what_cannot_be_reported_is_one_line(tmp_path):
    with pytest.raises(DataError, match='no matches'):
        Run('empty', demonstration(), [])
    with pytest.raises(DataError, match='2 of truth'):
        run([match(0, 1)], truth=np.zeros(2))
    with pytest.raises(DataError, match='at least one run'):
        write_report(tmp_path, [])
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match='cannot be written'):
        write_report(tmp_path / 'file' / 'below', [run([match(0, 1)])])


# Numbers.


@settings(derandomize=True, max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, STEPS - 1),  # answer
            st.one_of(st.none(), st.integers(0, STEPS - 1)),  # truth
            st.sampled_from(list(State)),
            st.booleans(),  # names the right demonstration
        ),
        min_size=1,
        max_size=25,
    )
)
def test_numbers_agree_with_counting_by_hand(rows):
    matches = [
        match(i, step, state, 'taught' if right else 'other')
        for i, (step, _, state, right) in enumerate(rows)
    ]
    truth = np.array([np.nan if t is None else t for _, t, _, _ in rows])
    numbers = measure(Run('x', demonstration(), matches, truth=truth))

    told, every, alarms, alien = [], [], 0, 0
    for step, true, state, right in rows:
        if true is None:
            alien += 1
            alarms += state in (State.TRACKING, State.DONE)
            continue
        error = abs(step - true) * 0.1 if right else 1.9
        every.append(error)
        if state in (State.TRACKING, State.DONE):
            told.append(error)
    assert numbers.sets == len(rows)
    assert sum(numbers.states.values()) == pytest.approx(1)
    assert numbers.false_alarms == (pytest.approx(alarms / alien) if alien else None)
    assert numbers.median_error_s == (pytest.approx(np.median(told)) if told else None)
    assert numbers.mean_error_s == (pytest.approx(np.mean(told)) if told else None)
    assert numbers.alignment == (pytest.approx(np.mean(every) / 1.9) if every else None)
    if told:
        close = sum(error <= 0.25 for error in told)
        assert numbers.within[0.25] == pytest.approx(close / len(told))


def test_methods_are_compared_on_the_sets_that_were_answered():
    states = [State.INIT, State.TRACKING, State.TRACKING, State.LOST, State.TRACKING]
    one = run(
        [
            match(i, step, state)
            for i, (step, state) in enumerate(zip([9, 1, 3, 19, 4], states, strict=True))
        ],
        truth=np.array([0.0, 1.0, 2.0, 3.0, np.nan]),
        others={'guess': np.array([9.0, 3.0, 8.0, 9.0, 9.0])},
    )
    ours, guess = compare(one)
    assert (ours.name, guess.name) == ('smaknet', 'guess')
    assert ours.mean_error_s == pytest.approx(0.05)  # steps 1 and 3 for 1 and 2
    assert guess.mean_error_s == pytest.approx(0.4)  # steps 3 and 8
    assert guess.within == {0.25: 0.5, 0.5: 0.5}
    assert guess.alignment == pytest.approx((9 + 2 + 6 + 6) / 4 / 19)
    assert compare(run([match(0, 3)])) == []  # no truth
    assert compare(run([match(0, 3, State.LOST)], truth=np.zeros(1))) == []  # no answer


def test_anywhere_within_a_pause_is_right():
    truth = np.array([[3.0, 7.0], [3.0, 7.0], [3.0, 7.0]])
    one = run([match(0, 3), match(1, 7), match(2, 9)], truth=truth)
    np.testing.assert_allclose(one.errors_s(one.timesteps), [0, 0, 0.2], atol=1e-9)


def test_without_truth_no_error_is_claimed():
    numbers = measure(run([match(0, 3)]))
    assert numbers.median_error_s is numbers.alignment is numbers.false_alarms is None
    assert numbers.latency_p50_s is None
    assert numbers.published == 1


@settings(derandomize=True, max_examples=30, deadline=None)
@given(count=st.integers(1, 12), length=st.integers(1, 60))
def test_shown_stamps_are_spread_and_real(count, length):
    matches = [match(i, 0) for i in range(length)]
    chosen = choose_stamps(matches, count)
    assert len(chosen) == min(count, length)
    assert set(chosen) <= {m.stamp_ns for m in matches}
    assert chosen == sorted(chosen)
    if count > 1:
        assert (chosen[0], chosen[-1]) == (matches[0].stamp_ns, matches[-1].stamp_ns)
    kept = {m.stamp_ns for m in matches[::2]}
    assert set(choose_stamps(matches, count, kept)) <= kept


# Terminal.


def test_the_summary_is_not_markup_and_does_not_steer_the_terminal():
    one = run(
        [match(i, i) for i in range(4)],
        title='[red]held\x1b[2Jout[/red]',
        truth=np.arange(4.0),
        others={'clock [b]': np.zeros(4)},
        latencies_s=np.array([0.010, 0.020]),
    )
    console = Console(width=200, record=True, file=open('/dev/null', 'w'))  # noqa: SIM115
    console.print(summary_table([one], 'runs'))
    console.file.close()
    text = console.export_text()
    assert '[red]held\N{REPLACEMENT CHARACTER}[2Jout[/red]' in text
    assert 'clock [b]' in text
    assert '100.0 %' in text
    assert '15 / 20 ms' in text


def test_the_summary_fits_a_terminal():
    one = run([match(i, i) for i in range(4)], title='twice as fast', truth=np.arange(4.0))
    console = Console(width=80, record=True, file=open('/dev/null', 'w'))  # noqa: SIM115
    console.print(summary_table([one], 'runs'))
    console.file.close()
    row = [line for line in console.export_text().splitlines() if 'twice as fast' in line]
    assert row
    assert '100.0 %' in row[0]  # no cell is cut or folded


def test_importing_the_report_draws_nothing():
    code = (
        'import sys, smaknet_core.report\n'
        'bad = {"matplotlib", "rich", "torch", "rosbags"} & set(sys.modules)\n'
        'sys.exit(str(bad) if bad else 0)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
