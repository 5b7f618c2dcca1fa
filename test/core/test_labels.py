"""labels.csv: what is read, which timesteps it labels, and what is wrong with it in one line."""

from __future__ import annotations

from bag_maker import camera_messages, write_bag
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core.data.labels import label_clip, load_labels
from smaknet_core.errors import DataError

S = 1_000_000_000


@pytest.fixture
def write(tmp_path):
    """Write a recording's labels; give the recording."""

    def write(stamps_ns, **columns):
        path = write_bag(tmp_path / 'take', camera_messages(count=1))
        names = ['stamp_ns', *columns]
        rows = zip(stamps_ns, *columns.values(), strict=True)
        lines = [','.join(names), *(','.join(map(str, row)) for row in rows)]
        (path / 'labels.csv').write_text('\n'.join(lines) + '\n')
        return path

    return write


class TestReading:
    def write(self, tmp_path, text):
        path = write_bag(tmp_path / 'take', camera_messages(count=1))
        (path / 'labels.csv').write_text(text)
        return path

    def test_columns(self, tmp_path):
        text = 'stamp_ns,contact,phase,progress\n1700000000000000001,1,pour,0.5\n7,0,a b,1\n'
        labels = load_labels(self.write(tmp_path, text))
        assert list(labels) == ['stamp_ns', 'contact', 'phase', 'progress']
        assert labels['stamp_ns'].tolist() == [1700000000000000001, 7]
        assert labels['stamp_ns'].dtype == np.int64
        assert labels['contact'].tolist() == [1.0, 0.0]
        assert labels['phase'].tolist() == ['pour', 'a b']

    def test_none_there(self, tmp_path):
        assert load_labels(write_bag(tmp_path / 'take', camera_messages(count=1))) is None

    @pytest.mark.parametrize(
        ('text', 'reason'),
        [
            ('', 'no column stamp_ns'),
            ('a,b\n1,2\n', 'no column stamp_ns'),
            ('stamp_ns,progress\n1\n', 'cannot be read'),
            ('stamp_ns,progress\n1,much\n', 'cannot be read'),
            ('stamp_ns,contact\n1,1\n2,nan\n', 'cannot be read .contact is nan in row 2'),
            ('stamp_ns,phase\n1\n', 'cannot be read .phase is missing in row 1'),
            ('stamp_ns,progress\n1.5,0\n', 'cannot be read'),
            ('stamp_ns\n99999999999999999999\n', 'cannot be read'),
            ('stamp_ns,"\n', 'cannot be read'),
        ],
    )
    def test_a_damaged_table_is_named(self, tmp_path, text, reason):
        with pytest.raises(DataError, match=f'labels.csv: {reason}'):
            load_labels(self.write(tmp_path, text))


class TestAligning:
    @pytest.fixture(scope='class')
    @classmethod
    def bag(cls, tmp_path_factory):
        return write_bag(tmp_path_factory.mktemp('labels') / 'take', camera_messages(count=1))

    def test_each_timestep_has_the_nearest_label(self, write):
        path = write([0, 1 * S, 2 * S], contact=[0, 1, 0], phase=['a', 'b', 'c'])
        stamps = np.array([40_000_000, S - 30_000_000, 2 * S + 50_000_000])
        labels = label_clip(path, stamps, 0.05)
        assert labels.timesteps.tolist() == [0, 1, 2]
        assert labels.columns['phase'].tolist() == ['a', 'b', 'c']
        assert labels.columns['contact'].tolist() == [0, 1, 0]
        assert 'stamp_ns' not in labels.columns

    def test_timesteps_far_from_any_label_have_none(self, write):
        path = write([5 * S, 0], contact=[7, 1])
        labels = label_clip(path, np.array([0, 2 * S, 5 * S]), 0.05)
        assert labels.timesteps.tolist() == [0, 2]
        assert labels.columns['contact'].tolist() == [1, 7], 'rows need no order'

    @given(
        st.lists(st.integers(0, 300), min_size=1, max_size=30),
        st.lists(st.integers(0, 300), min_size=1, max_size=30, unique=True).map(sorted),
        st.integers(0, 40),
    )
    @settings(max_examples=100, deadline=None, derandomize=True)
    def test_agrees_with_looking_at_every_row(self, bag, labelled, stamps, within):
        rows = [f'{stamp * 1_000_000},{stamp}' for stamp in labelled]
        (bag / 'labels.csv').write_text('\n'.join(['stamp_ns,progress', *rows]) + '\n')
        nearest = [min(abs(stamp - row) for row in labelled) for stamp in stamps]
        expected = [t for t, away in enumerate(nearest) if away <= within]
        clip_ns = np.array(stamps, np.int64) * 1_000_000
        if not expected:
            with pytest.raises(DataError, match='none of its stamps is within'):
                label_clip(bag, clip_ns, within / 1000)
            return
        labels = label_clip(bag, clip_ns, within / 1000)
        assert labels.timesteps.tolist() == expected
        away = np.abs(labels.columns['progress'] - np.array(stamps)[expected])
        assert away.tolist() == [nearest[t] for t in expected]

    def test_no_labels(self, tmp_path):
        path = write_bag(tmp_path / 'take', camera_messages(count=1))
        assert label_clip(path, np.array([0, S]), 0.05) is None

    @pytest.mark.parametrize('stamps', [[], [100 * S]])
    def test_another_clock_is_said(self, write, stamps):
        path = write(stamps, contact=[0] * len(stamps))
        with pytest.raises(DataError, match='labels.csv: none of its stamps is within 0.05 s'):
            label_clip(path, np.array([0, S]), 0.05)
