"""The demonstration file: what is written comes back, and no damaged file comes in."""

from __future__ import annotations

from dataclasses import replace
import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from smaknet_core.demonstration import Demonstration, load
from smaknet_core.errors import DemonstrationError
from smaknet_core.matching.likeness import Likeness
from smaknet_core.rating import Rating

MODEL = 'ab' * 32
STEPS, VIEWS, SIZE = 5, 2, 32


def demonstration(**changes):
    rng = np.random.default_rng(0)
    made = {
        'name': 'pour',
        'task': 'pouring',
        'cameras': ('wrist', 'top'),
        'stamps_ns': 1_700_000_000_000_000_000 + np.arange(STEPS) * 100_000_000,
        'embeddings': rng.standard_normal((STEPS, VIEWS, SIZE)).astype(np.float32),
        'thumbnails': rng.integers(0, 255, (STEPS, VIEWS, 6, 8, 3)).astype(np.uint8),
        'model_hash': MODEL,
        'sigma': 0.25,
    }
    return Demonstration(**{**made, **changes})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / 'demonstration.safetensors'
    demonstration().save(path)
    return path


def rewrite(path, metadata=None, **tensors):
    """Change parts of a file as somebody with safetensors at hand could; None leaves one out."""
    content = path.read_bytes()
    (length,) = struct.unpack('<Q', content[:8])
    kept = json.loads(content[8 : 8 + length])['__metadata__']
    changed = {**load_tensors(content), **tensors}
    present = {name: tensor for name, tensor in changed.items() if tensor is not None}
    path.write_bytes(save_tensors(present, {**kept, **(metadata or {})}))


def refusal(path, model_hash=MODEL):
    """The one line a user gets, which names the file."""
    with pytest.raises(DemonstrationError) as caught:
        load(path, model_hash)
    text = str(caught.value)
    assert str(path) in text
    assert text.isprintable()
    return text


def test_what_is_saved_is_loaded(saved):
    made, loaded = demonstration(), load(saved, MODEL)
    for name in ('name', 'task', 'cameras', 'model_hash', 'sigma', 'hash', 'duration_s'):
        assert getattr(loaded, name) == getattr(made, name)
    for name in ('stamps_ns', 'embeddings', 'thumbnails'):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(made, name))
        assert getattr(loaded, name).dtype == getattr(made, name).dtype


def test_times_count_from_the_first_set(saved):
    loaded = load(saved)
    assert loaded.origin_stamp_ns == 1_700_000_000_000_000_000
    assert loaded.duration_s == pytest.approx(0.4)
    taught = loaded.taught()
    assert taught.times_s == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert (taught.name, taught.cameras, taught.sigma) == ('pour', ('wrist', 'top'), 0.25)


def test_one_camera_has_no_scale_of_its_own(tmp_path):
    made = demonstration()
    one = replace(
        made,
        cameras=('wrist',),
        embeddings=made.embeddings[:, :1],
        thumbnails=made.thumbnails[:, :1],
        sigma=None,
    )
    one.save(tmp_path / 'one.safetensors')
    assert load(tmp_path / 'one.safetensors').sigma is None


@pytest.mark.parametrize(
    'change',
    [
        {'name': 'stack'},
        {'task': ''},
        {'cameras': ('top', 'wrist')},
        {'model_hash': 'cd' * 32},
        {'sigma': 0.26},
        {'embeddings': np.ones((STEPS, VIEWS, SIZE), np.float32)},
    ],
)
def test_the_hash_is_of_the_content(change):
    assert demonstration().hash == demonstration().hash
    assert demonstration(**change).hash != demonstration().hash


def test_nothing_is_overwritten(saved):
    before = saved.read_bytes()
    with pytest.raises(DemonstrationError, match=r'exists and is not overwritten'):
        demonstration(name='other').save(saved)
    assert saved.read_bytes() == before


def test_not_even_a_link_to_nowhere(tmp_path):
    path = tmp_path / 'link'
    path.symlink_to(tmp_path / 'nowhere')
    with pytest.raises(DemonstrationError, match='exists'):
        demonstration().save(path)


def test_folders_are_made_and_nothing_else_is_left(tmp_path):
    path = tmp_path / 'a' / 'b' / 'demo.safetensors'
    demonstration().save(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DemonstrationError, match='cannot be written'):
        demonstration().save(tmp_path / 'file' / 'demo.safetensors')


@pytest.mark.parametrize('share', [0, 0.001, 0.05, 0.5, 0.999])
def test_truncated_anywhere(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert 'truncated, damaged or not a safetensors file' in refusal(saved)


@pytest.mark.parametrize('content', [b'\x80\x04\x95pickle', b'{}', bytes(100), b'\xff' * 100])
def test_not_safetensors(saved, content):
    saved.write_bytes(content)
    refusal(saved)


def test_a_bit_that_fell_over(saved):
    content = bytearray(saved.read_bytes())
    content[-100] ^= 1
    saved.write_bytes(content)
    assert 'damaged' in refusal(saved)


def test_missing_file_and_folder(tmp_path):
    assert 'no such file' in refusal(tmp_path / 'nothing')
    assert 'not a file' in refusal(tmp_path)


def test_another_kind_of_safetensors_file(tmp_path):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(save_tensors({'weight': np.zeros(3, np.float32)}))
    assert 'not a smaknet demonstration' in refusal(path)


def test_another_version(saved):
    rewrite(saved, {'version': '2\x1b[31m'})
    assert 'version 2\N{REPLACEMENT CHARACTER}[31m' in refusal(saved)


def test_another_model(saved):
    text = refusal(saved, 'cd' * 32)
    assert 'made with another model (abababab, the one in use is cdcdcdcd)' in text
    assert load(saved, None).name == 'pour'


def with_nan():
    embeddings = demonstration().embeddings.copy()
    embeddings[3, 1, 7] = np.nan
    return embeddings


@pytest.mark.parametrize(
    ('tensors', 'reason'),
    [
        ({'embeddings': with_nan()}, 'NaN'),
        ({'embeddings': np.zeros((STEPS, VIEWS, SIZE), np.float64)}, 'F32'),
        ({'embeddings': np.zeros((STEPS, SIZE), np.float32)}, '2-d'),
        ({'embeddings': np.zeros((STEPS + 1, VIEWS, SIZE), np.float32)}, 'embeddings are'),
        ({'embeddings': np.zeros((STEPS, VIEWS + 1, SIZE), np.float32)}, 'embeddings are'),
        ({'embeddings': np.zeros((STEPS, VIEWS, 0), np.float32)}, 'D is 0'),
        ({'embeddings': np.zeros((1, 1, 5000), np.float32)}, 'D is 5000'),
        ({'embeddings': np.zeros((1, 65, 1), np.float32)}, 'V is 65'),
        ({'embeddings': None}, 'expected tensors'),
        ({'extra': np.zeros(1)}, 'expected tensors'),
        ({'stamps_ns': np.arange(STEPS)[::-1].copy()}, 'stamps'),
        ({'stamps_ns': np.arange(STEPS) - 2}, 'stamps'),
        ({'stamps_ns': np.arange(STEPS) * 10**17}, 'more than a day'),
        ({'stamps_ns': np.arange(STEPS).astype(np.int32)}, 'I64'),
        ({'thumbnails': np.zeros((STEPS, VIEWS, 6, 8, 4), np.uint8)}, 'thumbnails are'),
        ({'thumbnails': np.zeros((STEPS, VIEWS, 6), np.uint8)}, '3-d'),
    ],
)
def test_tensors_that_do_not_fit(saved, tensors, reason):
    rewrite(saved, **tensors)
    assert reason in refusal(saved)


def test_a_huge_tensor_is_refused_by_its_header(saved):
    header = {'__metadata__': {'format': 'smaknet_demonstration', 'version': '1'}}
    shape = [1 << 30, 1 << 20, 1 << 10]
    header['embeddings'] = {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, 4 << 60]}
    text = json.dumps(header).encode()
    saved.write_bytes(struct.pack('<Q', len(text)) + text + bytes(64))
    refusal(saved)


@pytest.mark.parametrize(
    'damage',
    [
        {'demonstration': '{'},
        {'demonstration': '[]'},
        {'demonstration': '[' * 100_000},
        {'demonstration': '{"name": "pour"}'},
        {'hash': 'cd' * 32},
        {'hash': ''},
    ],
)
def test_a_description_that_is_damaged(saved, damage):
    rewrite(saved, damage)
    assert 'damaged' in refusal(saved)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('name', 'po\x1b[2Jur'),
        ('name', ''),
        ('name', 7),
        ('task', 'a\nb'),
        ('cameras', ['wrist']),
        ('cameras', ['wrist', 'wrist']),
        ('cameras', ['wrist', '']),
        ('cameras', ['wrist', 3]),
        ('cameras', 5),
        ('model_hash', None),
        ('sigma', -1.0),
        ('sigma', float('nan')),
        ('sigma', 'wide'),
    ],
)
def test_a_description_that_makes_no_sense(saved, key, value):
    made = demonstration()
    described = {
        'name': made.name,
        'task': made.task,
        'cameras': list(made.cameras),
        'model_hash': made.model_hash,
        'sigma': made.sigma,
        key: value,
    }
    rewrite(saved, {'demonstration': json.dumps(described)})
    refusal(saved)


@pytest.mark.parametrize(
    'change',
    [
        {'name': 'two\nlines'},
        {'stamps_ns': np.zeros(STEPS, np.int64)},
        {'embeddings': np.full((STEPS, VIEWS, SIZE), np.inf, np.float32)},
        {'stamps_ns': np.zeros(1, np.int64), 'embeddings': np.zeros((1, 2, 3), np.float32)},
    ],
)
def test_an_unusable_one_is_not_even_made(change):
    with pytest.raises(DemonstrationError):
        demonstration(**change)


RATING = Rating(0.8, 0.9, 0.05, (Likeness((0.0, 0.1), (0.3, 0.4)),))


def test_the_rating_is_kept_and_is_no_part_of_the_hash(tmp_path):
    path = tmp_path / 'rated.safetensors'
    demonstration(rating=RATING).save(path)
    loaded = load(path, MODEL)
    assert loaded.rating == RATING
    assert loaded.hash == demonstration().hash


def test_files_without_a_rating_are_read_as_before(saved):
    assert load(saved).rating is None


@pytest.mark.parametrize(
    'damage',
    ['', '[]', '{}', '{"score": 2, "unique": 1, "view_error": null, "likenesses": []}', '[' * 9999,
     '{"score": 1, "unique": 1, "view_error": null, "likenesses": [[1, 2]]}',
     '{"score": 1, "unique": 1, "view_error": NaN, "likenesses": []}',
     '{"score": 1, "unique": 1, "view_error": null, "likenesses": [[1, 2, 3, 1e999]]}'],
)  # fmt: skip
def test_a_damaged_rating_is_refused(saved, damage):
    rewrite(saved, {'quality': damage})
    assert 'quality is damaged' in refusal(saved)
