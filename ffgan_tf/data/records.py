"""A converted data set: a folder of TFRecord shards, `vocabulary.json` and `manifest.json`.

A record is a `tf.train.Example` of
  image/encoded (bytes)           JPEG, RGB, shorter side S·76/64 for the largest S
  image/name (bytes)              `<class>/<image>` without extension
  image/class (int64)             class, in the data set's own numbering
  image/height, image/width       (int64) pixels
  captions/text (bytes list)      the captions as written, UTF-8
  captions/tokens (int64 list)    the token ids of all captions, concatenated
  captions/lengths (int64 list)   tokens of each caption
`manifest.sha256` holds the digest of `manifest.json`, which holds the digests of all other files.
"""

import dataclasses
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file, utf8
from ffgan_tf.utils.reading import check_file, read_bytes, read_json

FORMAT = 1
MANIFEST, DIGEST, VOCABULARY = "manifest.json", "manifest.sha256", "vocabulary.json"
SPLITS = ("train", "test")
MAX_SHARD, MAX_RECORD = 1 << 40, 1 << 30  # bytes
HOW_TO_MAKE = (
    "Fix: make it with ffgan_tf.convert_cub, ffgan_tf.convert_oxford102 or ffgan_tf.convert_folder "
    "(ffgan_tf.make_demo_dataset makes CUB-like input without any download)."
)


@dataclasses.dataclass(frozen=True)
class Record:
    """One image of the data set with its captions; `tokens[i]` are the ids of `texts[i]`."""

    name: str
    class_id: int
    encoded: bytes
    height: int
    width: int
    texts: Sequence[str]
    tokens: Sequence[Sequence[int]]


def shard_name(split: str, index: int, count: int) -> str:
    """`train-00000-of-00008.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def serialize(record: Record) -> bytes:
    """Encodes a record as a `tf.train.Example`; equal records give equal bytes."""
    import tensorflow as tf

    def integers(values: Iterable[int]):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def strings(values: Iterable[bytes]):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "image/encoded": strings([record.encoded]),
                "image/name": strings([record.name.encode("utf-8")]),
                "image/class": integers([record.class_id]),
                "image/height": integers([record.height]),
                "image/width": integers([record.width]),
                "captions/text": strings(text.encode("utf-8") for text in record.texts),
                "captions/tokens": integers(token for tokens in record.tokens for token in tokens),
                "captions/lengths": integers(len(tokens) for tokens in record.tokens),
            }
        )
    )
    return example.SerializeToString(deterministic=True)  # the features are a map, unordered otherwise


def parse(serialized: bytes) -> Record:
    """The inverse of `serialize`. Raises ValueError for other bytes."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        feature = tf.train.Example.FromString(serialized).features.feature
        tokens = list(feature["captions/tokens"].int64_list.value)
        ends, end = [], 0
        for length in feature["captions/lengths"].int64_list.value:
            ends.append((end, end := end + length))
        if end != len(tokens):
            raise ValueError(f"{len(tokens)} tokens, but lengths for {end}")
        return Record(
            name=feature["image/name"].bytes_list.value[0].decode("utf-8"),
            class_id=feature["image/class"].int64_list.value[0],
            encoded=feature["image/encoded"].bytes_list.value[0],
            height=feature["image/height"].int64_list.value[0],
            width=feature["image/width"].int64_list.value[0],
            texts=[text.decode("utf-8") for text in feature["captions/text"].bytes_list.value],
            tokens=[tokens[begin:end] for begin, end in ends],
        )
    except (DecodeError, IndexError) as error:
        raise ValueError(f"not a record of this project: {error}") from None


def write_split(folder: Path, split: str, records: Iterable[Record], count: int, per_shard: int) -> dict[str, Any]:
    """Writes `count` records into shards of `per_shard`, in order; returns the split's part of the manifest."""
    import tensorflow as tf

    shard_count = -(-count // per_shard)
    shards, classes, captions = [], set(), 0
    records = iter(records)
    for index in range(shard_count):
        path = folder / shard_name(split, index, shard_count)
        images = min(per_shard, count - index * per_shard)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for _ in range(images):
                record = next(records)
                writer.write(serialize(record))
                classes.add(record.class_id)
                captions += len(record.texts)
        shards.append({"file": path.name, "images": images, "bytes": path.stat().st_size, "sha256": sha256_file(path)})
    return {"images": count, "captions": captions, "classes": len(classes), "shards": shards}


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes `manifest.json` and its digest, in the form that `sha256sum -c` reads."""
    content = utf8(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    (folder / MANIFEST).write_bytes(content)
    (folder / DIGEST).write_text(digest_line(content), encoding="ascii", newline="")


def digest_line(content: bytes) -> str:
    """The content of `manifest.sha256` for these bytes of `manifest.json`."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST}\n"


def read_manifest(data_dir: str | Path) -> dict[str, Any]:
    """Reads a manifest and checks it against its digest and the sizes of the shards.

    Raises UserError, which names the missing or changed file. `ffgan_tf.verify_records` checks every byte.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such data folder (--data). {HOW_TO_MAKE}")
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise UserError(f"{path}: the manifest is missing, so this is not a converted data set. {HOW_TO_MAKE}")
    content = read_bytes(path, fix=HOW_TO_MAKE)
    again = "Fix: convert the data again, or copy the folder again from where it was made."
    if not os.path.lexists(folder / DIGEST):
        raise UserError(f"{folder / DIGEST}: the manifest's digest is missing. {again}")
    if read_bytes(folder / DIGEST, fix=again) != digest_line(content).encode("ascii"):
        raise UserError(f"{path} does not match {DIGEST}: one of the two was changed. {again}")
    manifest = read_json(path, fix=again, what="a manifest")
    if manifest.get("format") != FORMAT:
        raise UserError(
            f"{path}: record format {manifest.get('format')!r}; this version of the project reads "
            f"{FORMAT}. Fix: convert the data again."
        )
    try:
        check_manifest(manifest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not the manifest of a converted data set ({error!r}). {again}") from None
    for shard in (shard for split in SPLITS for shard in manifest["splits"][split]["shards"]):
        file = folder / shard["file"]
        size = file.stat().st_size if file.is_file() else None
        if size != shard["bytes"]:
            fault = "is missing" if size is None else f"has {size:,} bytes, not {shard['bytes']:,}"
            raise UserError(f"{file}: the shard {fault}. {again}")
    return manifest


def check_manifest(manifest: dict[str, Any], whole: bool = False) -> None:
    """Checks the fields that training reads, and with `whole` the others that a converter writes.

    Raises KeyError, TypeError, ValueError or AttributeError if one is missing, has another type or names a file in
    another folder.
    """
    for split in SPLITS:
        part = manifest["splits"][split]
        counts = [part["images"], part["captions"], part["classes"]]
        for shard in part["shards"]:
            counts += [shard["images"], shard["bytes"]]
            if Path(shard["file"]).name != shard["file"] or not isinstance(shard["sha256"], str):
                raise ValueError(f"shard {shard['file']!r}")
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError(f"the counts of the {split} split")
    image = manifest["image"]
    if not all(type(image[name]) is int and image[name] > 0 for name in ("max_size", "shorter_side")[: 1 + whole]):
        raise ValueError("the images' sizes")
    if not isinstance(manifest["name"], str):
        raise TypeError("its name")
    if not whole:
        return
    vocabulary = manifest["vocabulary"]
    if not all(isinstance(value, str) for value in (vocabulary["hash"], vocabulary["sha256"])):
        raise TypeError("the vocabulary's digests")
    if Path(vocabulary["file"]).name != vocabulary["file"]:
        raise ValueError(f"vocabulary {vocabulary['file']!r}")
    {int(number): name.encode("utf-8") for number, name in manifest["class_names"].items()}


def storage(manifest: dict[str, Any]) -> str:
    """The form in which the images are stored, such as `JPEG 4:4:4, quality 100`, on which scores depend.

    Older manifests do not state the resolution of colour: it was JPEG's usual 4:2:0, half in both directions.
    """
    image = manifest["image"]
    return f"JPEG {image.get('chroma', '4:2:0')}, quality {image.get('quality', 'unknown')}"


def shard_paths(data_dir: str | Path, split: str, manifest: dict[str, Any] | None = None) -> list[Path]:
    """The shard files of a split (`train` or `test`), in order."""
    manifest = manifest or read_manifest(data_dir)
    return [Path(data_dir) / shard["file"] for shard in manifest["splits"][split]["shards"]]


def read_shard(path: str | Path) -> Iterator[Record]:
    """The records of one shard file. Raises UserError if it is damaged."""
    import tensorflow as tf

    try:
        check_framing(path)
        for serialized in tf.data.TFRecordDataset(str(path)):
            yield parse(serialized.numpy())
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(
            f"{path}: damaged shard ({error}). Fix: run python -m ffgan_tf.verify_records, then convert the data again."
        ) from None


def check_framing(path: str | Path) -> None:
    """Raises ValueError unless the lengths in a TFRecord file lead from its start to its end.

    TensorFlow allocates the stated length before it reads on, and aborts the process if that fails. Raises UserError
    for anything but a regular file.
    """
    size, end = check_file(path, MAX_SHARD), 0
    with open(path, "rb") as file:
        while end < size:
            file.seek(end)
            header = file.read(8)
            if len(header) < 8:
                raise ValueError(f"cut short at byte {end:,}")
            (length,) = struct.unpack("<Q", header)
            end += 16 + length  # the length (8 bytes) and its checksum (4), the record, its checksum (4)
            if end > size or length > MAX_RECORD:
                raise ValueError(f"a record of {length:,} bytes where {max(size - end + length, 0):,} are left")


def read_split(data_dir: str | Path, split: str) -> Iterator[Record]:
    """All records of a split, in the order of the converter."""
    for path in shard_paths(data_dir, split):
        yield from read_shard(path)
