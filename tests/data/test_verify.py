"""Every change of a converted data set is found and laid to the right file."""

import shutil

import numpy as np
import pytest

from ffgan_tf.data import records
from ffgan_tf.data.convert import folder
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.data.verify import verify
from ffgan_tf.utils.errors import UserError

FILES = (
    "manifest.json",
    "manifest.sha256",
    "vocabulary.json",
    "train-00000-of-00002.tfrecord",
    "train-00001-of-00002.tfrecord",
    "test-00000-of-00001.tfrecord",
)


@pytest.fixture
def data(tiny_folder, tmp_path):
    out = tmp_path / "out"
    convert(folder.read_source(tiny_folder, test_ratio=0.2), out, Settings(8, workers=1, images_per_shard=3))
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    assert verify(out) == []
    return out


def assert_blames(data, name):
    faults = verify(data)
    assert len(faults) == 1 and faults[0].startswith(f"{name}: "), faults


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte(data, name):
    path = data / name
    original = path.read_bytes()
    random = np.random.default_rng(0)
    positions = {0, len(original) - 1, *random.choice(len(original), min(40, len(original)), replace=False)}
    for position in positions:
        changed = bytearray(original)
        changed[position] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
        assert_blames(data, name)
    path.write_bytes(original)
    assert verify(data) == []


@pytest.mark.parametrize("name", FILES)
def test_cut_appended_and_replaced(data, name):
    path = data / name
    original = path.read_bytes()
    for changed in (original[:-1], original + b"\n", original + original, b"", original[1:] + original[:1]):
        path.write_bytes(changed)
        assert_blames(data, name)


@pytest.mark.parametrize("name", FILES[1:])
def test_missing(data, name):
    (data / name).unlink()
    assert_blames(data, name)


def test_no_manifest_is_no_data_set(data):
    (data / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json: the manifest is missing"):
        verify(data)


def test_all_changed_files_are_named(data):
    for name in FILES[2:]:
        (data / name).write_bytes(b"?")
    shutil.copy(data / FILES[3], data / "train-00009-of-00009.tfrecord")
    assert [fault.partition(":")[0] for fault in verify(data)] == [*FILES[2:], "train-00009-of-00009.tfrecord"]


def test_another_data_sets_manifest(data, tiny_folder, tmp_path):
    """The manifest and its digest agree; the shards are not theirs."""
    other = tmp_path / "other"
    (tiny_folder / "red" / "a.txt").write_text("something else\n")
    convert(folder.read_source(tiny_folder, test_ratio=0.2), other, Settings(8, workers=1, images_per_shard=3))
    for name in ("manifest.json", "manifest.sha256"):
        shutil.copy(other / name, data / name)
    assert "vocabulary.json" in {fault.partition(":")[0] for fault in verify(data)}


def test_records_that_were_written_wrong(data):
    """Digests only tell that a file is as it was written: wrong counts and token ids are found too."""
    manifest = records.read_manifest(data)
    wrong = [records.Record("a/b", 1, b"", 8, 8, ["x"], [[999]])]
    manifest["splits"]["test"] = records.write_split(data, "test", wrong, 1, 3)
    manifest["splits"]["train"]["shards"][0]["images"] += 1
    records.write_manifest(data, manifest)
    assert verify(data) == [
        "train-00000-of-00002.tfrecord: 3 records, 4 in the manifest",
        "test-00000-of-00001.tfrecord: a/b: a token id outside the vocabulary of "
        f"{manifest['vocabulary']['words']} words",
    ]
