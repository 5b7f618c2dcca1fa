"""Where the network looks, as video and figure: whole or not at all, and what it shows is true."""

from __future__ import annotations

import io
import os

from bag_maker import camera_messages, JPEG, jpeg_cdr, Message, picture, START_NS, write_bag
from clip_maker import make_bag, make_model
import cv2
import numpy as np
import pytest
from rich.console import Console
from smaknet_core.checkpoint import MODEL_NAME
from smaknet_core.embedder import Embedder
from smaknet_core.errors import BagError, ConfigError, DataError
from smaknet_core.explain import run_explain, video
from smaknet_core.explain.figure import choose_times, draw_figure
from smaknet_core.explain.pictures import compose, GAP, look, Moment, STRIP
from smaknet_core.explain.video import count_frames, new_video
from smaknet_core.overlay import HEIGHT
from smaknet_core.types import FrameSet, Stamped


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp('run')
    make_model(out / MODEL_NAME)
    return out


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return make_bag(tmp_path_factory.mktemp('bags') / 'take', 12)


def explained(model, bag, out, **more):
    """Run it; give what it printed."""
    told = io.StringIO()
    run_explain(model, bag, out, device='cpu', console=Console(file=told, width=300), **more)
    return told.getvalue()


def write_blank(path, count, error=None):
    """Write a video of black frames, with an error at its end."""
    with new_video(path, 10) as writer:
        for _ in range(count):
            writer.write(np.zeros((32, 32, 3), np.uint8))
        if error is not None:
            raise error


def frames_of(path):
    """Every frame of a video, RGB, and its rate."""
    reader = cv2.VideoCapture(str(path))
    found = []
    while True:
        there, frame = reader.read()
        if not there:
            return found, reader.get(cv2.CAP_PROP_FPS)
        found.append(frame[..., ::-1])


@pytest.fixture(scope='module')
def shown(model, bag, tmp_path_factory):
    out = tmp_path_factory.mktemp('out') / 'new' / 'video.mp4'
    told = explained(model, bag, out)
    return out, told


class TestVideo:
    def test_has_a_frame_for_each_camera_set_at_the_rate_of_the_recording(self, shown):
        frames, rate_hz = frames_of(shown[0])
        assert len(frames) == 12
        assert rate_hz == pytest.approx(10)
        assert f'{shown[0]}: 12 frames of 780 x 428 at 10 Hz' in shown[1]
        assert sorted(os.listdir(shown[0].parent)) == ['video.mp4', 'video.png']

    def test_shows_the_cameras_below_each_other_and_levels_beside_the_frame(self, shown, bag):
        frames, _ = frames_of(shown[0])
        last = frames[-1].astype(int)
        width = HEIGHT + GAP
        assert last.shape == (2 * (HEIGHT + STRIP), 4 * width - GAP, 3)
        for row in range(2):
            top = row * (HEIGHT + STRIP) + STRIP
            tiles = [last[top:, n * width :][:HEIGHT, :HEIGHT] for n in range(4)]
            # at the end the disc is large and blue; what lies over the others is grey and heat
            blue = tiles[0][..., 2] - tiles[0][..., :2].max(axis=-1)
            assert (blue > 100).mean() > 0.3
            for tile in tiles[1:]:
                assert (tile[..., 2] - tile[..., :2].max(axis=-1)).max() < 100

    def test_of_one_camera_in_the_other_format(self, model, bag, tmp_path):
        explained(model, bag, tmp_path / 'a.avi', cameras=['right'], figure=tmp_path / 'b.png')
        frames, _ = frames_of(tmp_path / 'a.avi')
        assert {frame.shape for frame in frames} == {(HEIGHT + STRIP, 780, 3)}
        assert sorted(os.listdir(tmp_path)) == ['a.avi', 'b.png']

    def test_keeps_its_size_when_a_camera_changes_its_own(self, tmp_path):
        with new_video(tmp_path / 'a.mp4', 1000 / 33) as writer:
            for size in ((40, 60), (80, 60), (40, 60)):
                writer.write(np.full((*size, 3), 90, np.uint8))
        frames, rate_hz = frames_of(tmp_path / 'a.mp4')
        assert [frame.shape for frame in frames] == 3 * [(40, 60, 3)]
        assert rate_hz == pytest.approx(30.3)

    def test_without_an_encoder_is_refused_in_one_line(self, monkeypatch, tmp_path):
        monkeypatch.setitem(video.CODECS, '.mp4', ('mp4v', cv2.CAP_OPENCV_MJPEG))
        with pytest.raises(DataError, match=r'no mp4v encoder for \.mp4; an \.avi'):
            write_blank(tmp_path / 'a.mp4', 1)
        assert os.listdir(tmp_path) == []

    def test_that_cannot_be_read_back_whole_is_none(self, monkeypatch, tmp_path):
        monkeypatch.setattr(video, 'count_frames', lambda path: count_frames(path) - 1)
        with pytest.raises(DataError, match='2 frames were written, 1 can be read'):
            write_blank(tmp_path / 'a.mp4', 2)
        assert os.listdir(tmp_path) == []

    def test_an_interruption_leaves_nothing(self, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            write_blank(tmp_path / 'a.mp4', 2, KeyboardInterrupt())
        assert os.listdir(tmp_path) == []


class TestPictures:
    def test_are_the_frame_and_each_level_over_it(self, model):
        embedder = Embedder.load(model, 'cpu')
        image = np.random.default_rng(0).integers(0, 256, (30, 45, 3), np.uint8)
        stamp = START_NS + 1_500_000_000
        moment = look(embedder, FrameSet({'a': Stamped(stamp, 'a', image)}), START_NS)
        assert moment.time_s == 1.5
        assert list(moment.pictures['a']) == ['input', 'L1', 'L2', 'L3']
        for view in moment.pictures['a'].values():
            assert view.shape == (HEIGHT, HEIGHT * 45 // 30, 3)

    def test_of_cameras_of_any_shape_fit_together(self):
        odd = {name: np.full((HEIGHT, 33, 3), 200, np.uint8) for name in ('input', 'L2')}
        wide = {name: np.full((HEIGHT, 120, 3), 200, np.uint8) for name in ('input', 'L2')}
        whole = compose(Moment(0.0, {'odd': odd, 'ключ\n': wide, 'other': odd}))
        assert whole.shape == (3 * (HEIGHT + STRIP), 240 + GAP, 3)
        alone = compose(Moment(0.0, {'odd': {'input': odd['input']}}))
        assert alone.shape == (HEIGHT + STRIP, 34, 3)


class TestFigure:
    def test_shows_moments_as_columns(self, shown):
        drawn = cv2.imread(str(shown[0].with_suffix('.png')))
        height, width = drawn.shape[:2]
        assert width == pytest.approx(110 * (8 * 1.7 + 0.8), abs=2)
        assert height == pytest.approx(110 * (8 * 1.7 + 0.7), abs=2)
        assert '8 moments' in shown[1]

    def test_of_few_moments_and_odd_names(self):
        own = {'input': np.zeros((20, 30, 3), np.uint8), 'L3': np.zeros((20, 30, 3), np.uint8)}
        for cameras in (['$x_{', '\x1b[2J'], ['相机']):
            png = draw_figure([Moment(0.0, dict.fromkeys(cameras, own))], '$\\frac{')
            assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) is not None

    def test_times_are_spread_over_the_recording(self):
        times_s = choose_times(10.0)
        assert len(times_s) == 8
        assert times_s[0] == 0
        assert 9.5 < times_s[-1] < 10
        assert np.ptp(np.diff(times_s)) < 1e-9
        assert choose_times(0.0, 3) == [0, 0, 0]

    def test_of_a_recording_of_one_set(self, model, tmp_path):
        bag = make_bag(tmp_path / 'take', 1)
        told = explained(model, bag, tmp_path / 'a.mp4')
        assert '1 frames of 780 x 428 at 10 Hz' in told
        assert '1 moments' in told


class TestRefused:
    def refused(self, kind, words, *arguments, **more):
        before = sorted(os.listdir(arguments[-1].parent))
        with pytest.raises(kind, match=words):
            explained(*arguments, **more)
        assert sorted(os.listdir(arguments[-1].parent)) == before

    def test_files_that_exist(self, model, bag, tmp_path):
        (tmp_path / 'a.mp4').write_text('mine')
        (tmp_path / 'b.png').write_text('mine')
        for out in ('a.mp4', 'b.mp4'):
            self.refused(DataError, 'exists and is not', model, bag, tmp_path / out)
        assert (tmp_path / 'a.mp4').read_text() == (tmp_path / 'b.png').read_text() == 'mine'

    def test_other_endings(self, model, bag, tmp_path):
        self.refused(ConfigError, r'ends in \.mp4 or \.avi', model, bag, tmp_path / 'a.gif')
        for figure in (tmp_path / 'a.jpg', tmp_path / 'a.mp4'):
            words = r'ends in \.png'
            self.refused(ConfigError, words, model, bag, tmp_path / 'b.mp4', figure=figure)

    def test_a_network_without_attention(self, bag, tmp_path):
        run = tmp_path / 'run'
        run.mkdir()
        make_model(run / MODEL_NAME, system='tcn')
        words = r'Multi-view TCN on Inception-v3 \(random init\) has no attention'
        self.refused(ConfigError, words, run, bag, tmp_path / 'a.mp4')

    def test_recordings_that_show_nothing(self, model, tmp_path):
        text = [m for m in camera_messages() if m.msgtype != JPEG]
        blind = write_bag(tmp_path / 'blind', text)
        self.refused(DataError, 'no camera topic in it', model, blind, tmp_path / 'a.mp4')
        late = START_NS + 10**10
        topic = '/camera/right/image_raw/compressed'
        later = Message(topic, JPEG, late, jpeg_cdr(late, picture(0)))
        apart = write_bag(tmp_path / 'apart', [*camera_messages(('left',), 2), later])
        self.refused(BagError, 'no complete set of left, right', model, apart, tmp_path / 'a.mp4')

    def test_a_place_that_cannot_be_written(self, model, bag):
        with pytest.raises(DataError, match='cannot be written'):
            explained(model, bag, type(bag)('/proc/nowhere/a.mp4'))


def test_a_gap_does_not_change_the_rate(model, tmp_path):
    messages = camera_messages(('left',), 6)
    bag = write_bag(tmp_path / 'gap', [*messages[:3], *messages[5:]])
    assert '4 frames of 1036 x 214 at 10 Hz' in explained(model, bag, tmp_path / 'a.mp4')
