"""Finds and names what changed in a converted data set since it was written."""

import json
import re
from pathlib import Path

from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.progress import Progress


def verify(data_dir: str | Path) -> list[str]:
    """Faults of a converted data set, each beginning with the file's name; empty: every byte is as written.

    The chain: `manifest.sha256` covers the manifest's bytes, which hold the digests of the shards and the vocabulary.
    Whole files are then read once more as records, and their images decoded, which finds what a wrong writer wrote.
    Raises UserError where there is no data set at all.
    """
    folder = Path(data_dir)
    if not (folder / records.MANIFEST).is_file():
        records.read_manifest(folder)  # raises, saying how to make one
    if fault := _manifest_fault(folder):
        return [fault]  # its digests cannot be trusted
    manifest = json.loads((folder / records.MANIFEST).read_bytes())
    entry = manifest["vocabulary"]
    faults = [*_file_fault(folder / entry["file"], entry["sha256"], None)]
    words = len(Vocabulary.load(folder / entry["file"])) if not faults else None
    shards = [(split, shard) for split in records.SPLITS for shard in manifest["splits"][split]["shards"]]
    progress = Progress("verifying", sum(shard["images"] for _, shard in shards), "images")
    done = 0
    for split, shard in shards:
        path = folder / shard["file"]
        found = _file_fault(path, shard["sha256"], shard["bytes"])
        faults += found or _record_faults(path, shard["images"], words)
        done += shard["images"]
        progress.update(done)
    progress.close()
    listed = {shard["file"] for _, shard in shards}
    faults += [
        f"{path.name}: not in the manifest" for path in sorted(folder.glob("*.tfrecord")) if path.name not in listed
    ]
    return faults


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
        # a digest, and altogether another: that of a changed manifest
        return f"{records.MANIFEST}: changed (its SHA-256 is not the one in {records.DIGEST})"
    return f"{records.DIGEST}: changed (it should read {due.decode('ascii').strip()!r})"


def _file_fault(path: Path, sha256: str, size: int | None) -> list[str]:
    if not path.is_file():
        return [f"{path.name}: missing"]
    found = path.stat().st_size
    if size is not None and found != size:
        return [f"{path.name}: changed ({found:,} bytes, {size:,} were written)"]
    return [] if sha256_file(path) == sha256 else [f"{path.name}: changed (its SHA-256 is not the manifest's)"]


def _record_faults(path: Path, images: int, words: int | None) -> list[str]:
    import tensorflow as tf

    count = 0
    try:
        for record in records.read_shard(path):
            count += 1
            if len(record.tokens) != len(record.texts) or not record.texts:
                return [f"{path.name}: {record.name}: {len(record.texts)} captions, {len(record.tokens)} token lists"]
            if words and not all(0 < token < words for tokens in record.tokens for token in tokens):
                return [f"{path.name}: {record.name}: a token id outside the vocabulary of {words} words"]
            try:
                tf.io.decode_jpeg(record.encoded, channels=3)
            except tf.errors.InvalidArgumentError:
                return [f"{path.name}: {record.name}: its image cannot be decoded"]
    except UserError as error:
        return [f"{path.name}: {error}"]
    return [] if count == images else [f"{path.name}: {count} records, {images} in the manifest"]
