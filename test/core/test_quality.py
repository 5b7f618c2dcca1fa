"""`smaknet check`: each fault of a recording is found, named, and comes with a remedy."""

from __future__ import annotations

import re

from bag_maker import (
    camera_messages,
    data_file,
    jpeg_cdr,
    picture,
    SHARED,
    START_NS,
    write_bag,
)
import numpy as np
import pytest
from smaknet_core.data.quality import examine, Level, run_check
from smaknet_core.errors import BagError

MS = 1_000_000


def good_messages():
    return camera_messages(count=40)


def top_frames(messages):
    return [number for number, message in enumerate(messages) if '/top/' in message.topic]


def replace_top(messages, chosen, make):
    """Replace some of the top camera's images; `make(stamp, seed)` serialises a new one."""
    messages = list(messages)
    for number in top_frames(messages)[chosen]:
        stamp = messages[number].receive_ns - 2 * MS
        messages[number] = messages[number]._replace(cdr=make(stamp, number))
    return messages


def texts(verdict, level=None):
    return [r.text for r in verdict.reasons if level is None or r.level == level]


def test_a_good_recording(tmp_path):
    verdict = examine(write_bag(tmp_path / 'take', good_messages()))
    assert verdict.level == Level.GOOD
    assert verdict.reasons == []
    assert (verdict.sets, verdict.paired) == (40, 1.0)
    assert verdict.duration_s == pytest.approx(3.903)
    assert verdict.spread_p50_s == pytest.approx(0.003)
    top, wrist = verdict.cameras
    assert (top.name, top.frames, top.clock) == ('top', 40, 'header')
    assert top.rate_hz == pytest.approx(10)
    assert top.gap_s == pytest.approx(0.1)
    assert top.sizes == {'32x24': 40}
    assert (top.frozen, top.blank, top.corrupt, top.backward) == (0, 0, 0, 0)
    assert top.delay_s == pytest.approx(0.002)


FEW, MANY = slice(3, 4), slice(3, 9)


@pytest.mark.parametrize(
    ('chosen', 'make', 'level', 'text'),
    [
        (FEW, lambda t, n: jpeg_cdr(t, None, b'x'), 'WARN', '1 of 40 images cannot be decoded'),
        (MANY, lambda t, n: jpeg_cdr(t, None, b'x'), 'BAD', '6 of 40 images cannot be decoded'),
        (FEW, lambda t, n: jpeg_cdr(t, picture(0)), 'GOOD', ''),
        (MANY, lambda t, n: jpeg_cdr(t, picture(0)), 'WARN', '5 of 40 images repeat'),
        (MANY, lambda t, n: jpeg_cdr(t, picture(n) // 255), 'WARN', '6 of 40 images are blank'),
        (FEW, lambda t, n: jpeg_cdr(t, picture(n, 48, 64)), 'WARN', 'size changes .32x24, 64x48'),
        (FEW, lambda t, n: jpeg_cdr(t - 10**9, picture(n)), 'WARN', 'stamps run backward once'),
        (FEW, lambda t, n: jpeg_cdr(0, picture(n)), 'WARN', '1 header stamps are not set'),
        (slice(None), lambda t, n: jpeg_cdr(0, picture(n)), 'WARN', 'stamps are not set'),
        (
            slice(None),
            lambda t, n: jpeg_cdr(t - 3 * 10**9, picture(n)),
            'BAD',
            'clocks of top and wrist differ by 3.0 s',
        ),
    ],
)
def test_faults_of_one_camera(tmp_path, chosen, make, level, text):
    path = write_bag(tmp_path / 'take', replace_top(good_messages(), chosen, make))
    verdict = examine(path)
    assert verdict.level == Level[level], texts(verdict)
    assert not text or any(re.search(text, found) for found in texts(verdict)), texts(verdict)
    assert all(reason.remedy for reason in verdict.reasons)


def test_a_gap(tmp_path):
    messages = good_messages()
    lost = set(top_frames(messages)[10:18])
    kept = [message for number, message in enumerate(messages) if number not in lost]
    verdict = examine(write_bag(tmp_path / 'take', kept))
    assert texts(verdict) == ['top: no frame for 0.9 s']
    assert verdict.sets == 32


def test_cameras_out_of_step_learn_which_spread_would_do(tmp_path):
    messages = [
        m._replace(receive_ns=m.receive_ns + 30 * MS, cdr=later(m, 30 * MS))
        if '/wrist/' in m.topic
        else m
        for m in good_messages()
    ]
    path = write_bag(tmp_path / 'take', messages)
    verdict = examine(path, max_spread_s=0.02)
    assert verdict.level == Level.BAD
    assert texts(verdict) == ['0 camera sets, 2 are the least']
    assert verdict.reasons[0].remedy.startswith('set data.max_spread_s to 0.036')
    assert examine(path, max_spread_s=0.036).level == Level.GOOD


def later(message, delay_ns):
    return jpeg_cdr(message.receive_ns - 2 * MS + delay_ns, picture(message.receive_ns % 97))


def test_cameras_that_recorded_at_different_times(tmp_path):
    messages = [
        m._replace(receive_ns=m.receive_ns + 10**10, cdr=later(m, 10**10))
        if '/wrist/' in m.topic
        else m
        for m in good_messages()
    ]
    verdict = examine(write_bag(tmp_path / 'take', messages))
    assert verdict.level == Level.BAD
    assert 'did not record at the same times' in verdict.reasons[-1].remedy


def test_one_camera_slow_and_short(tmp_path):
    verdict = examine(write_bag(tmp_path / 'take', camera_messages(['top'], 3, rate_hz=2)))
    assert verdict.level == Level.WARN
    assert texts(verdict) == [
        'only 1.0 s long',
        'top: only 2.0 Hz',
        'only one camera: it can be followed, but not learned from',
    ]


def test_recordings_without_cameras_or_messages(tmp_path):
    verdict = examine(write_bag(tmp_path / 'talk', camera_messages([])))
    assert (verdict.level, texts(verdict)) == (Level.BAD, ['no camera in it'])
    assert verdict.reasons[0].remedy.endswith('it has /chatter')
    verdict = examine(write_bag(tmp_path / 'nothing', []))
    assert (verdict.level, texts(verdict)) == (Level.BAD, ['no messages in it'])


def test_what_cannot_be_opened_is_bad_and_no_exception(tmp_path):
    path = tmp_path / 'empty.mcap'
    path.write_bytes(b'')
    verdict = examine(path)
    assert verdict.level == Level.BAD
    assert texts(verdict) == ['is empty (was the recorder killed, or the disk full?)']


def test_a_wrong_camera_is_bad(tmp_path):
    verdict = examine(write_bag(tmp_path / 'take', good_messages()), ['topp'])
    assert texts(verdict) == ["no camera 'topp', did you mean 'top'?"]


def cut(path):
    content = data_file(path).read_bytes()
    data_file(path).write_bytes(content[: len(content) // 2])
    return path


def test_truncated_says_until_when_it_is_usable(tmp_path):
    verdict = examine(cut(write_bag(tmp_path / 'take', good_messages())))
    assert verdict.level == Level.WARN
    assert re.fullmatch(r'truncated, usable until [12]\.\d s', texts(verdict)[0])
    assert '--repair' in verdict.reasons[0].remedy


def test_never_finished(tmp_path):
    path = write_bag(tmp_path / 'take', good_messages())
    (path / 'metadata.yaml').unlink()
    verdict = examine(path)
    assert texts(verdict) == ['not finished: other tools will refuse it']
    assert verdict.notes == ['metadata.yaml is missing (was the recorder killed?)']


def test_the_command_prints_and_answers_with_its_exit_code(tmp_path, capsys):
    write_bag(tmp_path / 'a_good', good_messages())
    assert run_check([tmp_path]) == 0
    write_bag(tmp_path / 'b_talk', camera_messages([]))
    cut(write_bag(tmp_path / 'c_cut', good_messages()))
    capsys.readouterr()
    assert run_check([tmp_path]) == 1
    printed = capsys.readouterr().out
    lines = [line.rstrip() for line in printed.splitlines()]
    assert re.search(r'^ +a_good +top +40 +10\.0 +0\.10 s +0 +0 +32x24 +header', printed, re.M)
    assert any(line.startswith('GOOD  a_good: 3.9 s, 40 sets of 2 cameras') for line in lines)
    assert 'BAD   b_talk' in lines
    assert any(line.startswith('WARN  c_cut: ') for line in lines)
    assert '      truncated, usable until' in printed
    assert '\N{RIGHTWARDS ARROW} smaknet check --repair' in printed
    assert 'frozen  images with the same bytes' in printed


def test_the_command_repairs(tmp_path, capsys):
    write_bag(tmp_path / 'good', good_messages())
    cut(write_bag(tmp_path / 'take', good_messages()))
    assert run_check([tmp_path], repair=True) == 0
    assert f'REPAIRED take -> {tmp_path / "take_repaired"}' in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['good', 'take', 'take_repaired']
    assert examine(tmp_path / 'take_repaired').level == Level.GOOD
    with pytest.raises(BagError, match='exists already'):
        run_check([tmp_path / 'take'], repair=True)


def test_nothing_given():
    with pytest.raises(BagError, match='no recording given'):
        run_check([])


@pytest.mark.skipif(not SHARED.is_dir(), reason='real recordings are not here')
class TestRealRecordings:
    @pytest.mark.parametrize(('take', 'sets'), list(enumerate([166, 238, 142, 205, 213])))
    def test_the_droid_takes_are_good(self, take, sets):
        verdict = examine(SHARED / f'droid/take_{take}')
        assert verdict.level == Level.GOOD, verdict.reasons
        assert (verdict.sets, verdict.paired) == (sets, 1.0)
        assert [camera.sizes for camera in verdict.cameras] == [{'88x50': sets}] * 3
        assert 0.004 < verdict.spread_p50_s < verdict.spread_p95_s < 0.011

    def test_the_samples_are_no_demonstrations(self, capsys):
        assert run_check([SHARED / 'rosbag2_samples']) == 1
        printed = capsys.readouterr().out
        assert printed.count('no camera in it') == 2
        assert 'crystal_camera' in printed


def test_spread_is_measured_to_the_nearest_frame(tmp_path):
    """Against the slow way: the distance to every frame."""
    rng = np.random.default_rng(0)
    times = {
        'top': np.unique(rng.integers(0, 5000, 30)),
        'wrist': np.unique(rng.integers(0, 5000, 50)),
    }
    messages = []
    for camera, values in times.items():
        (_, like) = camera_messages([camera], 1)
        for number, value in enumerate(values):
            stamp = START_NS + int(value) * MS
            cdr = jpeg_cdr(stamp, picture(number))
            messages.append(like._replace(receive_ns=stamp, cdr=cdr))
    verdict = examine(write_bag(tmp_path / 'take', messages))
    slow = [min(abs(int(other) - int(top)) for other in times['wrist']) for top in times['top']]
    assert verdict.spread_p50_s == pytest.approx(np.percentile(slow, 50) / 1e3)
    assert verdict.spread_p95_s == pytest.approx(np.percentile(slow, 95) / 1e3)
