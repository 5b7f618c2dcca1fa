"""TFRecords without TensorFlow: checksums, records and Examples, beside slow or foreign ones."""

from __future__ import annotations

import contextlib

from google_examples import google
from hypothesis import given, settings, strategies
import numpy as np
from pouring_maker import (
    checksum,
    feature,
    field,
    labelled,
    record,
    sequence_example,
    slow_crc32c,
    write_records,
)
import pytest
from smaknet_core.data.pouring.crc32c import crc32c, masked_crc32c
from smaknet_core.data.pouring.examples import parse_example, parse_list
from smaknet_core.data.pouring.footage import DamagedError
from smaknet_core.data.pouring.tfrecords import is_tfrecord, read_records


class TestChecksum:
    def test_is_the_one_of_the_standard(self):
        assert crc32c(b'123456789') == 0xE3069283
        assert crc32c(b'') == 0
        assert crc32c(bytes(32)) == 0x8A9136AA

    @settings(derandomize=True, max_examples=30, deadline=None)
    @given(strategies.integers(0, 5000), strategies.integers(0, 2**32))
    def test_is_that_of_long_division(self, length, seed):
        data = np.random.default_rng(seed).bytes(length)
        assert crc32c(data) == slow_crc32c(data)
        assert crc32c(memoryview(data)) == slow_crc32c(data)

    def test_is_masked_as_others_do(self):
        from tensorboardX.record_writer import masked_crc32c as others

        for data in (b'', b'smaknet', np.random.default_rng(0).bytes(3100)):
            assert masked_crc32c(data) == others(data)


class TestExamples:
    def test_are_read_as_google_writes_them(self):
        example = google('Example')
        known = example.features.feature
        known['task'].bytes_list.value.append(b'Becher_zu_Glas1')
        known['container_angle'].int64_list.value.append(-45)
        known['many'].int64_list.value.extend([0, 1, 300, -(2**63), 2**63 - 1])
        known['weight'].float_list.value.extend([1.5, 2.5])
        read = parse_example(memoryview(example.SerializeToString()))
        assert read.text('task') == 'Becher_zu_Glas1'
        assert read.number('container_angle') == -45
        assert read.numbers['many'] == [0, 1, 300, -(2**63), 2**63 - 1]
        assert read.numbers['weight'] == read.strings['weight'] == []
        assert read.lists == {}

    def test_of_sequences_are_read_as_google_writes_them(self):
        example = google('SequenceExample')
        example.context.feature['task'].bytes_list.value.append(b'a')
        example.context.feature['len'].int64_list.value.append(2)
        for text in (b'\xff\xd8 one', b''):
            added = example.feature_lists.feature_list['view0'].feature.add()
            added.bytes_list.value.append(text)
        read = parse_example(memoryview(example.SerializeToString()))
        assert (read.text('task'), read.number('len')) == ('a', 2)
        assert [bytes(text) for text in parse_list(read.lists['view0'])] == [b'\xff\xd8 one', b'']

    def test_of_the_tests_are_what_google_reads(self):
        example = google('SequenceExample')
        example.ParseFromString(sequence_example('b', {'view0': [b'x', b'y'], 'view1': [b'z']}))
        assert example.context.feature['len'].int64_list.value == [2]
        lists = example.feature_lists.feature_list
        read = {n: [f.bytes_list.value[0] for f in lists[n].feature] for n in sorted(lists)}
        assert read == {'view0': [b'x', b'y'], 'view1': [b'z']}

    def test_numbers_one_by_one_are_as_good_as_packed_ones(self):
        for packed in (True, False):
            entry = field(1, b'n') + field(2, feature([7, -7, 2**40], packed))
            read = parse_example(memoryview(field(1, field(1, entry))))
            assert read.numbers['n'] == [7, -7, 2**40]

    @settings(derandomize=True, max_examples=200, deadline=None)
    @given(strategies.binary(max_size=60))
    def test_nonsense_is_damage_or_nothing(self, data):
        with contextlib.suppress(DamagedError):
            for values in parse_example(memoryview(data)).lists.values():
                parse_list(values)

    def test_any_cut_is_damage_or_less(self):
        whole = sequence_example('b', {'view0': [b'xx', b'y']})
        for length in range(len(whole)):
            try:
                read = parse_example(memoryview(whole[:length]))
            except DamagedError:
                continue
            assert 'view0' not in read.lists

    def test_what_is_asked_for_has_to_be_there_once(self):
        read = parse_example(memoryview(labelled('b', 0)))
        with pytest.raises(DamagedError, match='expected one nothing, found 0'):
            read.number('nothing')
        with pytest.raises(DamagedError, match='no text'):
            read.text('image/view0')


class TestRecords:
    def test_are_given_in_order(self, tmp_path):
        path = write_records(tmp_path / 'a', b'one', b'', b'three' * 900)
        read = list(read_records(path, 'a'))
        assert [bytes(one.data) for one in read] == [b'one', b'', b'three' * 900]
        assert [one.where for one in read] == ['a, record 0', 'a, record 1', 'a, record 2']
        for one in read:
            one.check()

    def test_are_known_by_their_content_or_name(self, tmp_path):
        assert is_tfrecord(write_records(tmp_path / 'val-00000-of-00001', b'one'))
        for content in (b'', b'labels', bytes(64)):
            (tmp_path / 'README').write_bytes(content)
            assert not is_tfrecord(tmp_path / 'README')
        (tmp_path / 'a.tfrecord-00001').write_bytes(b'')
        assert is_tfrecord(tmp_path / 'a.tfrecord-00001')

    def test_are_read_up_to_where_the_file_was_cut(self, tmp_path):
        whole = record(b'one') + record(b'two')
        for length in range(len(whole)):
            (tmp_path / 'a').write_bytes(whole[:length])
            read = []
            said = ''
            try:
                for one in read_records(tmp_path / 'a', 'a'):
                    read.append(bytes(one.data))  # noqa: PERF401
            except DamagedError as err:
                said = str(err)
            assert read == [b'one'] * (length >= len(record(b'one')))
            assert ('cut' in said or 'empty' in said) == (length != len(record(b'one')))

    def test_damage_is_found_wherever_it_is(self, tmp_path):
        whole = record(b'one') + record(b'two')
        for place in range(len(whole)):
            (tmp_path / 'a').write_bytes(
                whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]
            )
            read = []
            with pytest.raises(DamagedError, match='checksum'):
                check_all(tmp_path / 'a', read)
            assert read == [b'one'] * (place >= len(record(b'one')))


def check_all(path, read):
    for one in read_records(path, 'a'):
        one.check()
        read.append(bytes(one.data))


def test_the_checksum_of_the_maker_is_masked():
    assert checksum(b'smaknet') == masked_crc32c(b'smaknet').to_bytes(4, 'little')
