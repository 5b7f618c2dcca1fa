"""
Damaged recordings, models and demonstrations through the real readers: one clear error, or use.

No other exception, no hang, no memory beyond what the files are worth. The full counts are slow; a
sample of each always runs.
"""

from __future__ import annotations

from collections import Counter
import functools
import json
from pathlib import Path
import struct
import tempfile
import time

from bag_maker import camera_messages, data_file, RAW, read_all, write_bag, write_old_db3
from clip_maker import make_bag, make_model
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from smaknet_core import demonstration
from smaknet_core.checkpoint import load_model
from smaknet_core.data.bags import open_recording
from smaknet_core.data.quality import examine
from smaknet_core.embedder import Embedder
from smaknet_core.errors import SmaknetError
from smaknet_core.follow import teach
from trials import forget_peak_mb, many, peak_mb

CASE_S = 60.0  # for one file, on the busiest of machines
MEMORY_MB = 400  # over what the process had; the whole files are smaller than 2
FULL = 2000

shares = st.floats(0, 1, exclude_max=True)
# Headers, tables and lists of contents are at the ends of files.
places = st.one_of(shares, st.floats(0, 0.02), st.floats(0.95, 1, exclude_max=True))
numbers = st.one_of(
    st.sampled_from((0, 1, -1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, -(2**63), 1e308, 10**400)),
    st.integers(-1000, 10**6),
    st.floats(),
)
junk = st.one_of(numbers, st.none(), st.booleans(), st.text(max_size=9), st.just([]), st.just({}))


def edits():
    """Draw what is done to the bytes of a file, one edit after the other."""
    return st.lists(
        st.one_of(
            st.tuples(st.just('set'), places, st.binary(min_size=1, max_size=8)),
            st.tuples(st.just('cut'), shares, st.just(b'')),
            st.tuples(st.just('insert'), places, st.binary(min_size=1, max_size=40)),
            st.tuples(st.just('remove'), places, st.binary(min_size=1, max_size=40)),
            st.tuples(st.just('zero'), places, st.binary(min_size=200, max_size=200)),
            st.tuples(st.just('replace'), shares, st.binary(max_size=200)),
        ),
        min_size=1,
        max_size=4,
    )


def edit(content: bytes, changes) -> bytes:
    for what, share, new in changes:
        at = int(share * len(content))
        if what == 'cut':
            content = content[:at]
        elif what == 'replace':
            content = new
        elif what == 'insert':
            content = content[:at] + new + content[at:]
        elif what == 'remove':
            content = content[:at] + content[at + len(new) :]
        else:
            new = bytes(len(new)) if what == 'zero' else new
            content = content[:at] + new[: len(content) - at] + content[at + len(new) :]
    return content


class Trial:
    """Files tried: what became of them, how long the slowest took, and the most memory."""

    def __init__(self):
        self.counts = Counter()
        self.slowest_s = 0.0
        self.most_mb = 0.0

    def use(self, function, *args):
        """Call a reader; a SmaknetError of one printable line is an answer, nothing else is."""
        before, began_s = forget_peak_mb(), time.monotonic()
        try:
            result, said = function(*args), ''
        except SmaknetError as err:
            result, said = None, str(err)
            self.counts['refused'] += 1
        else:
            self.counts['used'] += 1
        assert said.isprintable(), repr(said)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        self.most_mb = max(self.most_mb, peak_mb() - before)
        assert self.slowest_s < CASE_S
        assert self.most_mb < MEMORY_MB
        return result

    def run(self, case, strategy, examples):
        """Try so many cases and say how it went."""
        began_s = time.monotonic()

        @given(drawn=strategy)
        @many(examples)
        def each(drawn):
            case(self, drawn)

        each()
        print(
            f'{dict(self.counts)} in {time.monotonic() - began_s:.0f} s, the slowest '
            f'{self.slowest_s:.2f} s, {self.most_mb:.0f} MB more at most'
        )
        return self.counts


# Recordings.

BAGS = ('mcap', 'mcap storage', 'mcap message', 'sqlite3', 'sqlite3 message', 'raw', 'humble')


@functools.cache
def whole_bag(kind):
    """Files of a recording, name -> content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'take')
        if kind == 'humble':
            path.mkdir()
            write_old_db3(path / 'take.db3', camera_messages())
        else:
            storage, _, compression = kind.replace('raw', 'mcap').partition(' ')
            messages = camera_messages(kind=RAW) if kind == 'raw' else camera_messages()
            write_bag(path, messages, storage, compression or None)
        return {file.name: file.read_bytes() for file in path.iterdir()}


EPISODES = (
    b'{"task": "pour"}',
    b'{"cameras": {"top": "/nowhere"}}',
    b'[[',
    b'\xff',
    b'{"task": 3}',
)
bags = st.tuples(
    st.sampled_from(BAGS),
    st.dictionaries(st.sampled_from(('data', 'metadata.yaml')), edits(), min_size=1),
    st.one_of(st.none(), st.sampled_from(EPISODES), st.binary(max_size=40)),
    st.booleans(),
)


def read_bag(trial, drawn):
    kind, changes, episode, bare = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'take')
        path.mkdir()
        for name, content in whole_bag(kind).items():
            key = name if name == 'metadata.yaml' else 'data'
            (path / name).write_bytes(edit(content, changes.get(key, [])))
        if episode is not None:
            (path / 'episode.json').write_bytes(episode)
        trial.use(open_and_read, data_file(path) if bare else path)
        trial.use(lambda: examine(path).level)


def open_and_read(path):
    with open_recording(path) as recording:
        read_all(recording)
        for frame in recording.frames():
            assert frame.image.dtype == np.uint8
            assert frame.image.ndim == 3
        assert all(note.isprintable() for note in recording.notes)


def try_bags(examples):
    return Trial().run(read_bag, bags, examples)


# Models and demonstrations: both are safetensors with a description in their header.


@functools.cache
def whole_model():
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder, 'model'))
        return Path(folder, 'model').read_bytes()


@functools.cache
def whole_demonstration():
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / 'model').write_bytes(whole_model())
        bag = make_bag(here / 'bag', steps=12)
        teach(Embedder.load(here / 'model', 'cpu'), bag, [], here / 'demo', name='demo')
        return (here / 'demo').read_bytes()


# Which value of the description becomes what, by walking down it with these numbers.
descriptions = st.tuples(st.lists(st.integers(0, 99), min_size=1, max_size=6), junk)
tensor_files = st.one_of(st.tuples(edits(), st.none()), st.tuples(st.just([]), descriptions))


def redescribe(content, key, way, value):
    """Change one value of the description in a file's header, which stays well-formed."""
    size = struct.unpack('<Q', content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    described = json.loads(header['__metadata__'][key])
    _replace(described, way, value)
    header['__metadata__'][key] = json.dumps(described)
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + content[8 + size :]


def _replace(node, way, value):
    keys = sorted(node) if isinstance(node, dict) else range(len(node))
    key = keys[way[0] % len(keys)]
    if len(way) > 1 and isinstance(node[key], (dict, list)) and node[key]:
        _replace(node[key], way[1:], value)
    else:
        node[key] = value


def damaged_file(content, key, drawn):
    changes, description = drawn
    return redescribe(content, key, *description) if description else edit(content, changes)


def use_model(path):
    """Load a model; what is loaded gives finite numbers, or says that it cannot."""
    load_model(path)
    vectors = Embedder.load(path, 'cpu').embed([np.full((24, 32, 3), 99, np.uint8)])
    assert np.isfinite(vectors).all()


def read_model(trial, drawn):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'model.safetensors')
        path.write_bytes(damaged_file(whole_model(), 'smaknet_model', drawn))
        trial.use(use_model, path)


def try_models(examples):
    return Trial().run(read_model, tensor_files, examples)


def read_demonstration(trial, drawn):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'demo.safetensors')
        path.write_bytes(damaged_file(whole_demonstration(), 'demonstration', drawn))
        loaded = trial.use(demonstration.load, path)
        if loaded is not None:  # nothing of what it says has changed
            good = Path(folder, 'good')
            good.write_bytes(whole_demonstration())
            assert loaded.hash == demonstration.load(good).hash


def try_demonstrations(examples):
    return Trial().run(read_demonstration, tensor_files, examples)


TRIED = {'recordings': try_bags, 'models': try_models, 'demonstrations': try_demonstrations}


@pytest.mark.parametrize('kind', TRIED)
def test_a_sample_of_damaged_files(kind):
    counts = TRIED[kind](40)
    assert counts['refused'] > 4


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize('kind', TRIED)
def test_two_thousand_damaged_files(kind):
    assert TRIED[kind](FULL).total() >= FULL
