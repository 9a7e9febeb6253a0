"""Finds and names every change in a converted data set since it was written."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.images import MAX_ASPECT
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.progress import Progress
from ffgan_tf.utils.reading import read_json


def verify(data_dir: str | Path) -> list[str]:
    """Faults of a converted data set, each beginning with the file's name; an empty list if every byte is as written.

    `manifest.sha256` covers the manifest, which holds the digests of the shards and the vocabulary. Undamaged files
    are then read as records and their images decoded, which finds mistakes of the writer.
    Raises UserError if there is no data set at all.
    """
    folder = Path(data_dir)
    if not (folder / records.MANIFEST).is_file():
        records.read_manifest(folder)  # raises, saying how to make one
    if fault := _manifest_fault(folder):
        return [fault]  # its digests cannot be trusted
    manifest = read_json(folder / records.MANIFEST, fix="Fix: convert the data again.", what="a manifest")
    try:
        records.check_manifest(manifest, whole=True)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [f"{records.MANIFEST}: not the manifest of a converted data set ({error!r})"]
    entry = manifest["vocabulary"]
    faults = [*_file_fault(folder / entry["file"], entry["sha256"], None)]
    words = len(Vocabulary.load(folder / entry["file"])) if not faults else None
    shards = [(split, shard) for split in records.SPLITS for shard in manifest["splits"][split]["shards"]]
    progress = Progress("verifying", sum(shard["images"] for _, shard in shards), "images")
    seen = {split: _Seen(manifest, set()) for split in records.SPLITS}
    done = 0
    for split, shard in shards:
        path = folder / shard["file"]
        file_faults = _file_fault(path, shard["sha256"], shard["bytes"])
        faults += file_faults or _record_faults(path, shard["images"], words, seen[split])
        done += shard["images"]
        progress.update(done)
    progress.close()
    if not faults:
        faults += [fault for split, part in seen.items() for fault in part.faults(split, manifest["splits"][split])]
    listed = {shard["file"] for _, shard in shards}
    faults += [
        f"{path.name}: not in the manifest" for path in sorted(folder.glob("*.tfrecord")) if path.name not in listed
    ]
    return faults


@dataclasses.dataclass
class _Seen:
    """Counts over the records of one split, to compare with the manifest."""

    manifest: dict[str, Any]
    names: set[str]
    images: int = 0
    captions: int = 0
    classes: set[int] = dataclasses.field(default_factory=set)

    def fault(self, record: records.Record) -> str | None:
        """Counts a record, or returns its contradiction with itself or the manifest."""
        import tensorflow as tf

        least = self.manifest["image"]["shorter_side"]
        size = record.width, record.height
        if min(size) != least or max(size) > MAX_ASPECT * least + 1:
            return f"{size[0]}x{size[1]} pixels where the shorter side is {least}"
        if record.class_id != int(record.class_id) or str(record.class_id) not in self.manifest["class_names"]:
            return f"class {record.class_id}, which is not in the manifest"
        if record.name in self.names:
            return "a second record of this name"
        try:
            height, width, _ = tf.io.extract_jpeg_shape(
                record.encoded
            ).numpy()  # the header first: a huge image would fill the memory
            if (width, height) != size:
                return f"its image has {width}x{height} pixels, the record says {size[0]}x{size[1]}"
            tf.io.decode_jpeg(record.encoded, channels=3)
        except tf.errors.InvalidArgumentError:
            return "its image cannot be decoded"
        self.names.add(record.name)
        self.classes.add(record.class_id)
        self.images += 1
        self.captions += len(record.texts)
        return None

    def faults(self, split: str, part: dict[str, Any]) -> list[str]:
        """The split's counts in the manifest that differ from those of its records."""
        counts = {"images": self.images, "captions": self.captions, "classes": len(self.classes)}
        return [
            f"{records.MANIFEST}: {part[name]:,} {name} in the {split} split, its records have {count:,}"
            for name, count in counts.items()
            if part[name] != count
        ]


def _manifest_fault(folder: Path) -> str | None:
    try:
        written = (folder / records.DIGEST).read_bytes()
    except OSError:
        return f"{records.DIGEST}: missing"
    due = records.digest_line((folder / records.MANIFEST).read_bytes()).encode("ascii")
    if written == due:
        return None
    same = sum(a == b for a, b in zip(written, due))
    if same < len(due) - 8 and re.fullmatch(rb"[0-9a-f]{64}  manifest\.json\n", written):
        # A well-formed digest that differs throughout belongs to another manifest; a damaged one differs in places.
        return f"{records.MANIFEST}: changed (its SHA-256 is not the one in {records.DIGEST})"
    return f"{records.DIGEST}: changed (it should read {due.decode('ascii').strip()!r})"


def _file_fault(path: Path, sha256: str, size: int | None) -> list[str]:
    if not path.is_file():
        return [f"{path.name}: missing"]
    actual = path.stat().st_size
    if size is not None and actual != size:
        return [f"{path.name}: changed ({actual:,} bytes, {size:,} were written)"]
    return [] if sha256_file(path) == sha256 else [f"{path.name}: changed (its SHA-256 is not the manifest's)"]


def _record_faults(path: Path, images: int, words: int | None, seen: _Seen) -> list[str]:
    count = 0
    try:
        for record in records.read_shard(path):
            count += 1
            if len(record.tokens) != len(record.texts) or not record.texts:
                return [f"{path.name}: {record.name}: {len(record.texts)} captions, {len(record.tokens)} token lists"]
            if words and not all(0 < token < words for tokens in record.tokens for token in tokens):
                return [f"{path.name}: {record.name}: a token id outside the vocabulary of {words} words"]
            if fault := seen.fault(record):
                return [f"{path.name}: {record.name}: {fault}"]
    except UserError as error:
        return [f"{path.name}: {error}"]
    return [] if count == images else [f"{path.name}: {count} records, {images} in the manifest"]
