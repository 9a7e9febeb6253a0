"""The conversion engine: checks and encodes every image on all cores, then writes either the records or a report."""

import collections
import concurrent.futures.process
import contextlib
import dataclasses
import functools
import multiprocessing
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import PIL

from ffgan_tf import __version__
from ffgan_tf.data import records
from ffgan_tf.data.captions import CAPTIONS_PER_IMAGE, Vocabulary, read_captions
from ffgan_tf.data.convert.attngan_captions import check_agreement
from ffgan_tf.data.images import CHROMA, FILTER, Box, default_quality, encode_image, shorter_side
from ffgan_tf.data.problems import Problem, Unusable, format_report
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import directory_atomic, sha256_file, write_atomic
from ffgan_tf.utils.progress import Progress
from ffgan_tf.utils.reading import user_path

LINES = 20  # of each kind of problem in a report; the full list goes into a file


@dataclasses.dataclass(frozen=True)
class Item:
    """One image to convert: its bytes or file, its caption file, and its reader's findings."""

    split: str
    name: str  # <class>/<image>, without extension
    image: Path | bytes
    class_id: int
    captions: Path
    box: Box | None = None
    token_ids: tuple[tuple[int, ...], ...] | None = None  # in an imported vocabulary; None: the converter's ids
    fault: Problem | None = None  # found by the reader; the files are checked all the same


@dataclasses.dataclass
class Source:
    """A data set as read: the images to convert, and the problems found so far."""

    name: str
    location: str
    items: list[Item]
    class_names: dict[int, str]
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    crop: str = "none"
    least_captions: int = CAPTIONS_PER_IMAGE
    most_captions: int = CAPTIONS_PER_IMAGE
    vocabulary: Vocabulary | None = None  # None: all words of the captions, both splits


@dataclasses.dataclass(frozen=True)
class Settings:
    """Conversion settings: largest S in pixels, JPEG quality (0: `default_quality`), whether to skip unusable images,
    processes, shard size."""

    image_size: int = 256
    quality: int = 0
    skip_bad: bool = False
    workers: int = 0  # 0: one a core
    images_per_shard: int = 1000
    overwrite: bool = False

    @property
    def jpeg_quality(self) -> int:
        """`quality`, or the default for S."""
        return self.quality or default_quality(self.image_size)


@dataclasses.dataclass(frozen=True)
class _Prepared:
    encoded: bytes
    width: int
    height: int
    texts: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def _prepare(item: Item, image_size: int, quality: int, least: int, most: int) -> _Prepared:
    """Prepares one image, in a worker process. Checks both of its files, even if the first fails."""
    encoded, width, height = b"", 0, 0
    texts: list[str] = []
    notes: list[str] = []
    problems = [item.fault] if item.fault else []
    if item.name != user_path(item.name):
        problems.append(Problem(user_path(item.name), "its name is not UTF-8", "rename the image and its captions"))
    try:
        image = encode_image(item.image, image_size, quality, item.box)
        encoded, width, height = image.encoded, image.width, image.height
        notes += image.notes
    except Unusable as error:
        file = item.name if isinstance(item.image, bytes) else user_path(item.image)
        problems.append(Problem(file, error.reason, error.fix))
    try:
        texts, caption_notes = read_captions(item.captions, least, most)
        notes += caption_notes
    except Unusable as error:
        problems.append(Problem(user_path(item.captions), error.reason, error.fix))
    return _Prepared(encoded, width, height, tuple(texts), tuple(notes), tuple(problems))


def _in_words_of(vocabulary: Vocabulary, item: Item, prepared: _Prepared) -> _Prepared:
    """What was prepared, without captions of which an imported vocabulary has no word; notes say what it does not have.

    With a problem if imported token ids do not match the caption file, or no caption is left.
    """
    if item.token_ids is not None:
        try:
            check_agreement(item.token_ids, prepared.texts, vocabulary)
            return prepared
        except Unusable as error:
            return dataclasses.replace(prepared, problems=(Problem(user_path(item.captions), error.reason, error.fix),))
    texts, notes = [], list(prepared.notes)
    for text in prepared.texts:
        ids, unknown = vocabulary.encode(text)
        notes += ["word left out: not in the vocabulary"] * len(unknown)
        if ids:
            texts.append(text)
        else:
            notes.append("caption left out: none of its words is in the vocabulary")
    nothing = Problem(user_path(item.captions), "none of its words is in --vocabulary", "write captions in its words")
    return dataclasses.replace(prepared, texts=tuple(texts), notes=tuple(notes), problems=() if texts else (nothing,))


@contextlib.contextmanager
def _mapper(workers: int):
    """Yields a `map` in the items' order over `workers` processes (spawned: forking TensorFlow's threads can hang)."""
    if workers == 1:
        yield map
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    try:
        yield functools.partial(pool.map, chunksize=8)
    except concurrent.futures.process.BrokenProcessPool:
        raise UserError(
            "a worker process died, most likely from lack of memory. Nothing was written. Fix: fewer --workers."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def convert(source: Source, out: str | Path, settings: Settings) -> dict[str, Any]:
    """Converts `source` into the records folder `out` and returns the manifest.

    Every image is decoded once: the encoded bytes wait in an unnamed file beside `out` until all images are checked.
    Raises UserError with one report of all unusable files, before anything is written; with `skip_bad` those are left
    out and counted. If a kind has more than `LINES`, `OUT.problems.txt` holds the full report. Also raises UserError
    if `out` cannot be written, or another process converts into it. The shards' bytes depend on the input and the
    settings, not on the number of workers.
    """
    out = Path(out)
    _check_out(out, settings.overwrite)
    with report_write_errors(f"--out={user_path(out)}"):
        with (
            directory_atomic(out, replace=settings.overwrite, exclusive=True) as folder,
            tempfile.TemporaryFile(dir=out.parent) as spill,
        ):
            kept, problems, notes, mentions = _prepared_items(source, settings, spill)
            _say_notes(source, notes, mentions)
            _report(source, problems, kept, settings, out)
            vocabulary = source.vocabulary or Vocabulary.from_captions(
                text for _, prepared, _ in kept for text in prepared.texts
            )
            return _write(folder, source, settings, vocabulary, kept, notes, spill)


def _check_out(out: Path, overwrite: bool) -> None:
    """Raises UserError if `out` exists and must not be replaced."""
    if not os.path.lexists(out):
        return
    if not overwrite:
        raise UserError(f"--out={user_path(out)} exists. Fix: choose another --out, or replace it with --overwrite.")
    ours = (out / records.MANIFEST).is_file() or (out.is_dir() and not any(out.iterdir()))
    if not ours:
        raise UserError(
            f"--out={user_path(out)} is not a converted data set (it has no {records.MANIFEST}), so --overwrite does "
            "not replace it. Fix: choose another --out."
        )


def _prepared_items(
    source: Source, settings: Settings, spill: BinaryIO
) -> tuple[list[tuple[Item, _Prepared, int]], list[Problem], collections.Counter, collections.Counter]:
    """Prepares all items: (usable items with the sizes of their encoded bytes, which go to `spill`; problems; number
    of images by note; number of lines or words by note)."""
    problems = list(source.problems)
    notes: collections.Counter[str] = collections.Counter()
    mentions: collections.Counter[str] = collections.Counter()
    prepare = functools.partial(
        _prepare,
        image_size=settings.image_size,
        quality=settings.jpeg_quality,
        least=source.least_captions,
        most=source.most_captions,
    )
    kept: list[tuple[Item, _Prepared, int]] = []
    progress = Progress("converting", len(source.items), "images")
    with _mapper(settings.workers or os.cpu_count() or 1) as parallel_map:
        for done, (item, prepared) in enumerate(zip(source.items, parallel_map(prepare, source.items)), 1):
            if source.vocabulary and not prepared.problems:
                prepared = _in_words_of(source.vocabulary, item, prepared)
            problems += prepared.problems
            if not prepared.problems:
                notes.update(set(prepared.notes))
                mentions.update(prepared.notes)
                kept.append((item, dataclasses.replace(prepared, encoded=b""), len(prepared.encoded)))
                spill.write(prepared.encoded)
            progress.update(done)
    progress.close()
    return kept, problems, notes, mentions


def _say_notes(source: Source, notes: collections.Counter, mentions: collections.Counter) -> None:
    """Prints the notes, each with its number of images, and of lines or words if that is larger."""
    for note in source.notes:
        print(f"note: {note}", file=sys.stderr)
    for note, images in sorted(notes.items()):
        more = f" ({mentions[note]:,} in all)" if mentions[note] > images else ""
        print(f"note: {images:,} × {note}{more}", file=sys.stderr)


def _report(source: Source, problems: Sequence[Problem], kept: Sequence, settings: Settings, out: Path) -> None:
    """Prints the problems. Raises UserError if there are any, unless `skip_bad`; and if a split would be empty."""
    full, left = {item.class_id for item in source.items}, {item.class_id for item, _, _ in kept}
    empty = [
        Problem(
            source.class_names.get(class_id, str(class_id)),
            "none of the class's images is usable",
            "fix its images, or leave the class out",
        )
        for class_id in sorted(full - left)
    ]
    problems = [*problems, *empty]
    report = format_report(problems, LINES)
    if report != (whole := format_report(problems)):
        list_file = out.with_name(f"{out.name}.problems.txt")
        write_atomic(list_file, whole + "\n")
        report += f"\nThe full list: {user_path(list_file)}"
    if problems and not settings.skip_bad:
        raise UserError(f"nothing was written.\n{report}\nFix the files above, or leave them out with --skip_bad.")
    if problems:
        print(
            f"{report}\n--skip_bad: left out {len(source.items) - len(kept):,} of "
            f"{len(source.items):,} listed images ({len(problems):,} problems)",
            file=sys.stderr,
        )
    if not kept:
        raise UserError(f"{source.location}: no usable image. Nothing was written. Fix: the files above.")
    for split in records.SPLITS:
        if not any(item.split == split for item, _, _ in kept):
            raise UserError(
                f"{source.location}: no usable image in the {split} split ({len(kept):,} in the other). Nothing was "
                "written. Fix: another list, or another --test_ratio, that leaves images in both."
            )


def _write(
    folder: Path,
    source: Source,
    settings: Settings,
    vocabulary: Vocabulary,
    kept: Sequence,
    notes: collections.Counter,
    spill,
) -> dict[str, Any]:
    """Writes shards, vocabulary and manifest into `folder`."""
    offsets, position = {}, 0
    for item, _, size in kept:
        offsets[item.name] = position
        position += size

    def split_records(chosen: Iterable) -> Iterator[records.Record]:
        for item, prepared, size in chosen:
            spill.seek(offsets[item.name])
            token_ids = item.token_ids or [vocabulary.encode(text)[0] for text in prepared.texts]
            yield records.Record(
                item.name, item.class_id, spill.read(size), prepared.height, prepared.width, prepared.texts, token_ids
            )

    splits = {}
    for split in records.SPLITS:
        chosen = [entry for entry in kept if entry[0].split == split]
        splits[split] = records.write_split(
            folder, split, split_records(chosen), len(chosen), settings.images_per_shard
        )
    vocabulary.save(folder / records.VOCABULARY)
    used = {item.class_id for item, _, _ in kept}
    manifest = {
        "format": records.FORMAT,
        "name": source.name,
        "splits": splits,
        "class_names": {str(key): name for key, name in sorted(source.class_names.items()) if key in used},
        "image": {
            "max_size": settings.image_size,
            "shorter_side": shorter_side(settings.image_size),
            "quality": settings.jpeg_quality,
            "chroma": CHROMA,
            "crop": source.crop,
            "filter": FILTER.name.lower(),
        },
        "vocabulary": {
            "file": records.VOCABULARY,
            "words": len(vocabulary),
            "hash": vocabulary.hash,
            "sha256": sha256_file(folder / records.VOCABULARY),
            "source": vocabulary.source,
        },
        "made_by": {
            "command": user_path(shlex.join(sys.argv)),
            "version": __version__,
            "python": platform.python_version(),
            "pillow": PIL.__version__,
            "source": user_path(source.location),
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "left_out": len(source.items) - len(kept),
            "normalised": dict(sorted(notes.items())),
        },
    }
    records.write_manifest(folder, manifest)
    return manifest
