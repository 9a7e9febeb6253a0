"""Shards, images, Keras files and graphs that are damaged or mean harm: one error that names the file, bounded work.

`--cases=1000` draws that many of each kind.
"""

import io
import json
import os
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ffgan_tf.data import records
from ffgan_tf.data.images import encode_image
from ffgan_tf.data.problems import Unusable
from ffgan_tf.data.verify import verify
from ffgan_tf.evaluation.inception.weights import from_graph_def, from_slim_checkpoint
from ffgan_tf.utils import keras_files
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.keras_files import check_weights_file, load_weights


def mutated(content, random):
    """`content` with one to four bytes changed, or cut, or with a piece doubled."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        start = int(random.integers(len(changed)))
        kind = int(random.integers(4))
        if kind == 0:
            changed[start] ^= 1 << int(random.integers(8))
        elif kind == 1:
            changed[start : start + 8] = [0xFF] * min(8, len(changed) - start)
        elif kind == 2:
            changed[start:start] = changed[: int(random.integers(1, 40))]
        elif len(changed) > 80:
            del changed[start : start + int(random.integers(1, 40))]
    return bytes(changed)


def masked_crc(content: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, rotated and shifted. Bit by bit, from its definition."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def test_a_shard_with_a_sound_checksum_of_a_wild_length(tmp_path, draw_cases):
    path = tmp_path / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"abc")
    whole = path.read_bytes()
    assert masked_crc(whole[:8]) == whole[8:12]

    def case(seed):
        random = np.random.default_rng(seed)
        length = struct.pack("<Q", int(random.integers(1 << 20, 1 << 62)) if seed else 1 << 33)
        path.write_bytes(whole * int(random.integers(3)) + length + masked_crc(length) + random.bytes(40))
        with pytest.raises(UserError, match=r"train-00000-of-00001\.tfrecord: damaged shard"):
            list(records.read_shard(path))

    draw_cases(40, case)


def record_jpeg(width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def tiny_set(tmp_path_factory):
    """A sound data set of two records a split (shorter side 19), its manifest, and a function that writes it anew."""
    folder = tmp_path_factory.mktemp("set")
    from ffgan_tf.data.captions import Vocabulary

    vocabulary = Vocabulary.from_captions(["a red bird"])
    vocabulary.save(folder / records.VOCABULARY)
    entry = {
        "file": records.VOCABULARY,
        "words": len(vocabulary),
        "hash": vocabulary.hash,
        "sha256": records.sha256_file(folder / records.VOCABULARY),
        "source": "converter",
    }
    sound = {
        split: [
            records.Record(f"{split}/{i}", class_id, record_jpeg(24, 19), 19, 24, ["a red bird"], [[1, 3, 2]])
            for i in range(2)
        ]
        for split, class_id in (("train", 1), ("test", 2))
    }

    def write(chosen, **changes):
        splits = {split: records.write_split(folder, split, chosen[split], len(chosen[split]), 10) for split in chosen}
        manifest = {
            "format": records.FORMAT,
            "name": "tiny",
            "splits": splits,
            "class_names": {"1": "one", "2": "two"},
            "image": {"max_size": 16, "shorter_side": 19, "quality": 95, "crop": "none", "filter": "bilinear"},
            "vocabulary": entry,
            "made_by": {},
        }
        manifest |= changes
        records.write_manifest(folder, manifest)
        return folder

    return sound, write


def test_sound_records_pass(tiny_set):
    sound, write = tiny_set
    assert verify(write(sound)) == []


def test_impossible_records_are_found_though_every_digest_is_right(tiny_set, draw_cases):
    import dataclasses

    sound, write = tiny_set
    strange = [0, -1, -(1 << 62), 1 << 40, 18, 20, 400]

    def case(seed):
        random = np.random.default_rng(seed)
        split, number = ("train", "test")[seed % 2], int(random.integers(2))
        record = sound[split][number]
        kind = int(random.integers(6))
        value = strange[int(random.integers(len(strange)))]
        if kind == 0:
            changed = dataclasses.replace(record, height=value)
        elif kind == 1:
            changed = dataclasses.replace(record, width=value)
        elif kind == 2:
            changed = dataclasses.replace(record, class_id=value)
        elif kind == 3:
            changed = dataclasses.replace(record, name=sound[split][1 - number].name)
        elif kind == 4:
            changed = dataclasses.replace(record, encoded=record_jpeg(*(int(x) for x in random.integers(1, 18, 2))))
        else:
            changed = dataclasses.replace(record, encoded=mutated(record.encoded[:20], random) + record.encoded[20:40])
        rows = {name: list(entries) for name, entries in sound.items()}
        rows[split][number] = changed
        faults = verify(write(rows))
        assert len(faults) == 1 and faults[0].startswith(f"{split}-00000-of-00001.tfrecord: {changed.name}: "), faults

    draw_cases(60, case)


def test_manifests_of_any_shape(tiny_set, draw_cases):
    sound, write = tiny_set
    folder = write(sound)
    whole = json.loads((folder / records.MANIFEST).read_text())
    values = [None, True, -1, 1.5, "x", "../x", [], {}, [[]], {"a": 1}, 10**30]

    def places(value, path=()):
        for key, part in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        ):
            yield (*path, key)
            yield from places(part, (*path, key))

    every = [path for path in places(whole) if path[0] not in ("made_by", "name")]

    def case(seed):
        random = np.random.default_rng(seed)
        manifest = json.loads(json.dumps(whole))
        *outer, last = every[int(random.integers(len(every)))]
        inner = manifest
        for key in outer:
            inner = inner[key]
        if random.integers(3):
            inner[last] = values[int(random.integers(len(values)))]
        else:
            del inner[last]
        records.write_manifest(folder, manifest)
        try:
            verify(folder)
            for split in records.SPLITS:
                list(records.read_split(folder, split))
        except UserError as error:
            assert folder.name in str(error)

    try:
        draw_cases(80, case)
    finally:
        write(sound)


def png(width, height, extra=b""):
    """A PNG that announces width × height grey pixels and holds none; `extra` chunks before its data."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(bytes(1 << 16))) + chunk(b"IEND", b"")


def test_images_that_announce_too_much_are_refused(draw_cases):
    def case(seed):
        random = np.random.default_rng(seed)
        width, height = (int(x) for x in random.integers(1 << 14, (1 << 31) - 1, 2))
        with pytest.raises(Unusable, match="not a readable image"):
            encode_image(png(width, height), 64, 95)

    draw_cases(40, case)


def test_an_image_that_is_a_program_is_no_image():
    """PostScript: Pillow would start Ghostscript for it."""
    with pytest.raises(Unusable, match="not a supported image format") as raised:
        encode_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n", 64, 95)
    assert " at 0x" not in raised.value.reason


def test_damaged_images_are_read_or_refused(draw_cases):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8))
    sound = []
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        sound.append(buffer.getvalue())

    def case(seed):
        random = np.random.default_rng(seed)
        try:
            image = encode_image(mutated(sound[seed % len(sound)], random), 16, 95)
            assert min(image.width, image.height) == 19
        except Unusable as error:
            assert error.fix and " at 0x" not in error.reason

    draw_cases(140, case)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    model = tf.keras.Sequential([tf.keras.Input([4]), tf.keras.layers.Dense(3, name="one"), tf.keras.layers.Dense(2)])
    path = tmp_path_factory.mktemp("h5") / "weights.h5"
    model.save_weights(str(path), save_format="h5")
    return model, path.read_bytes()


def test_damaged_keras_files_load_or_are_refused(small_model, tmp_path, draw_cases):
    model, whole = small_model
    path = tmp_path / "weights.h5"

    def case(seed):
        path.write_bytes(mutated(whole, np.random.default_rng(seed)))
        try:
            load_weights(model, path, "a small net", "Fix: another file.", "--weights")
        except UserError as error:
            assert str(error).startswith(f"--weights={path}: not a weights file of a small net") and "Fix: " in str(
                error
            )

    draw_cases(8, case)


def test_a_keras_file_over_which_hdf5_never_comes_to_an_end(small_model, tmp_path, monkeypatch):
    """As a reader that never ends does: one second is all that it gets."""
    path = tmp_path / "weights.h5"
    path.write_bytes(small_model[1])
    monkeypatch.setattr(keras_files, "SECONDS", 0.01)
    with pytest.raises(UserError, match=r"weights\.h5: not a weights file of a net .*took more than"):
        check_weights_file(path, "a net", "Fix: x.")


def self_link(file, layer, random):
    del layer["inner"]
    layer["inner"] = layer  # a group that holds itself


def bomb(file, layer, random):
    del layer["inner/kernel:0"]
    shape = (1 << int(random.integers(31, 60)),)
    layer["inner"].create_dataset("kernel:0", shape, "f4", chunks=(1 << 16,), compression="gzip")


def other_file(file, layer, random):
    del layer["inner/kernel:0"]
    layer["inner/kernel:0"] = h5py.ExternalLink("/etc/hosts", "/x")


def soft_loop(file, layer, random):
    del layer["inner/kernel:0"]
    layer["inner/kernel:0"] = h5py.SoftLink("/one/inner/kernel:0")


def raw_content(file, layer, random):
    del layer["inner/kernel:0"]
    layer["inner"].create_dataset("kernel:0", (4,), "u1", external=[("/etc/hosts", 0, 4)])


def words(file, layer, random):
    del layer["inner/kernel:0"]
    layer["inner"].create_dataset("kernel:0", data=np.array([b"a", b"b"]))


def no_names(file, layer, random):
    del layer.attrs["weight_names"]


def wrong_names(file, layer, random):
    layer.attrs["weight_names"] = [5, "x", [b"gone"]][int(random.integers(3))]


@pytest.mark.parametrize("change", [self_link, bomb, other_file, soft_loop, raw_content, words, no_names, wrong_names])
def test_keras_files_that_mean_harm(tmp_path, draw_cases, change):
    path = tmp_path / "weights.h5"

    def case(seed):
        path.unlink(missing_ok=True)
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"one"]
            layer = file.create_group("one")
            layer.attrs["weight_names"] = [b"inner/kernel:0"]
            layer.create_group("inner").create_dataset("kernel:0", data=np.zeros((4, 3), np.float32))
        assert check_weights_file(path, "a net", "Fix: x.") == ["one"]
        with h5py.File(path, "a") as file:
            change(file, file["one"], np.random.default_rng(seed))
        with pytest.raises(UserError, match=r"weights\.h5: not a weights file of a net .*Fix: "):
            check_weights_file(path, "a net", "Fix: x.")

    draw_cases(1, case)


def test_graphs_that_announce_too_much_or_are_damaged(tmp_path, draw_cases):
    graph = tf.compat.v1.GraphDef()
    node = graph.node.add(name="softmax/weights", op="Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.zeros((3, 4), np.float32)))
    path = tmp_path / "graph.pb"

    def case(seed):
        random = np.random.default_rng(seed)
        if seed % 2:
            path.write_bytes(mutated(graph.SerializeToString(), random))
        else:
            large = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
            shape = large.node[0].attr["value"].tensor.tensor_shape
            shape.dim[0].size = int(random.integers(1 << 34, 1 << 50))
            path.write_bytes(large.SerializeToString())
        with pytest.raises(UserError, match=r"graph\.pb: "):
            from_graph_def(str(path))

    draw_cases(60, case)


def test_damaged_checkpoints_of_others(tmp_path, draw_cases):
    path = tmp_path / "model.ckpt"
    tf.raw_ops.SaveV2(prefix=str(path), tensor_names=["a"], shape_and_slices=[""], tensors=[tf.zeros([50])])
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(files) == 2

    def case(seed):
        random = np.random.default_rng(seed)
        name = sorted(files)[seed % 2]
        (tmp_path / name).write_bytes(mutated(files[name], random))
        try:
            with pytest.raises(UserError, match=r"model\.ckpt: not "):
                from_slim_checkpoint(str(path), 51)
        finally:
            (tmp_path / name).write_bytes(files[name])

    draw_cases(60, case)


def test_file_descriptors_are_not_lost(tmp_path):
    """A hundred refused files leave none open."""
    path = tmp_path / "weights.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(100):
        with pytest.raises(OSError):
            keras_files.read_through(path)
    assert not before or len(os.listdir("/proc/self/fd")) <= before + 2
