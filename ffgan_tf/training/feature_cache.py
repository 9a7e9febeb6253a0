"""Features of every image of a split by a frozen trunk, computed once and kept on disk.

`CACHE/KEY/{features.json, 00000/{local.npy, pooled.npy, digests.json}, …}`, float16, 256 images a folder. A folder is
complete or absent, so an interrupted extraction continues. Every start reads all of it once and compares its SHA-256;
damaged folders are computed again. KEY is a digest of everything that the features depend on; other weights, records or
sizes get another folder, and the old one may be removed by hand.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ffgan_tf.data import records
from ffgan_tf.data.pipeline import Split, centre_images
from ffgan_tf.models.image_encoder import INCEPTION_SIZE, LOCAL_SHAPE, POOLED_SIZE
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import directory_atomic, expand_home, sha256_file, write_json
from ffgan_tf.utils.pixels import to_unit
from ffgan_tf.utils.progress import Progress
from ffgan_tf.utils.reading import read_json

FILES, DIGESTS = ("local.npy", "pooled.npy"), "digests.json"
PER_FOLDER = 256  # images; 227 MB with their mirror images
BATCH = 32


class Stopped(Exception):
    """The extraction was stopped; complete folders are kept."""


class Features:
    """Features of N images, V views each (as they are; mirrored), on disk."""

    def __init__(self, folders: list[Path]):
        self._local = [np.load(folder / "local.npy", mmap_mode="r") for folder in folders]
        self._pooled = [np.load(folder / "pooled.npy", mmap_mode="r") for folder in folders]

    def read(self, index: int, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
        """`local` (17, 17, 768) and `pooled` (2048,) of an image or its mirror image, float16."""
        folder, row = divmod(int(index), PER_FOLDER)
        return np.array(self._local[folder][row, int(mirrored)]), np.array(self._pooled[folder][row, int(mirrored)])

    def tensors(self, index: tf.Tensor, mirrored: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`read` inside a tf.data pipeline."""
        local, pooled = tf.numpy_function(self.read, [index, mirrored], [tf.float16, tf.float16], stateful=False)
        return tf.ensure_shape(local, LOCAL_SHAPE), tf.ensure_shape(pooled, [POOLED_SIZE])


def key_of(data_dir: str | Path, split: str, image_size: int, weights: Path, views: int) -> dict[str, Any]:
    """Everything that the features depend on."""
    return {
        "format": 1,
        "weights_sha256": sha256_file(weights),
        "manifest_sha256": sha256_file(Path(data_dir) / records.MANIFEST),
        "split": split,
        "image_size": image_size,
        "resized_to": INCEPTION_SIZE,
        "views": views,
    }


def cached_features(
    trunk: Callable,
    key: dict[str, Any],
    split: Split,
    max_size: int,
    cache_dir: str | Path,
    stopped: Callable[[], bool] = lambda: False,
) -> Features:
    """The features of `split` under `key`; computes the missing ones.

    `trunk`: images in [−1, 1] → (local, pooled). Raises UserError if the disk is too small or a feature does not fit
    float16, Stopped once `stopped()` is true.
    """
    folder = expand_home(cache_dir) / hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]
    count, views = len(split.names), key["views"]
    sizes = [min(PER_FOLDER, count - start) for start in range(0, count, PER_FOLDER)]
    parts = [folder / f"{i:05d}" for i in range(len(sizes))]
    with report_write_errors(f"--cache_dir={cache_dir}"):
        folder.mkdir(parents=True, exist_ok=True)
    missing = _missing(parts, sizes, views, cache_dir)
    if not missing:
        return Features(parts)
    wanted = 2 * views * (int(np.prod(LOCAL_SHAPE)) + POOLED_SIZE) * sum(sizes[i] for i in missing)
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise UserError(
            f"--cache_dir={cache_dir}: the features take {wanted / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
            "free. Fix: name a folder on a larger disk, or --nocache_features (slower: Inception every "
            "step)."
        )
    with report_write_errors(f"--cache_dir={cache_dir}"):
        write_json(folder / "features.json", key)
    print(f"features of {count:,} {key['split']} images go to {folder} ({wanted / 1e9:.1f} GB)", flush=True)
    run = tf.function(lambda images: trunk(to_unit(images)), autograph=False)
    progress, done = Progress("Inception", sum(sizes[i] for i in missing), "images"), 0
    for i in missing:
        with (
            report_write_errors(f"--cache_dir={cache_dir}"),
            directory_atomic(parts[i], replace=True) as temporary,
        ):
            local, pooled = (
                np.lib.format.open_memmap(temporary / f"{name}.npy", "w+", np.float16, (sizes[i], views, *shape))
                for name, shape in (("local", LOCAL_SHAPE), ("pooled", (POOLED_SIZE,)))
            )
            start = 0
            own = range(i * PER_FOLDER, i * PER_FOLDER + sizes[i])
            for images in centre_images(split, max_size=max_size, image_size=key["image_size"], batch=BATCH, only=own):
                for view in range(views):
                    values = [value.numpy() for value in run(tf.reverse(images, [2]) if view else images)]
                    for target, value in zip((local, pooled), values):
                        if not np.abs(value).max() < np.finfo(np.float16).max:
                            raise UserError(
                                "Inception's features do not fit float16: are these its weights? Fix: "
                                "other --trunk_weights, or --nocache_features."
                            )
                        target[start : start + len(value), view] = value
                start += len(images)
                done += len(images)
                progress.update(done)
                if stopped():
                    raise Stopped
            local.flush(), pooled.flush()
            del local, pooled
            write_json(temporary / DIGESTS, {name: sha256_file(temporary / name) for name in FILES})
    progress.close()
    return Features(parts)


def _missing(parts: list[Path], sizes: list[int], views: int, cache_dir: str | Path) -> list[int]:
    """The folders to compute, by number; prints the damaged ones."""
    there = [part.exists() for part in parts]
    whole = [exists and _whole(part, (size, views)) for part, exists, size in zip(parts, there, sizes)]
    if damaged := [part.name for part, exists, sound in zip(parts, there, whole) if exists and not sound]:
        print(
            f"--cache_dir={cache_dir}: {len(damaged):,} folders of {parts[0].parent.name} are not as they were "
            f"written, or without digests ({', '.join(damaged[:3])}{', …' if len(damaged) > 3 else ''}); "
            "they are made again",
            flush=True,
        )
    return [i for i, sound in enumerate(whole) if not sound]


def _whole(folder: Path, leading: tuple[int, int]) -> bool:
    try:
        digests = read_json(folder / DIGESTS)
        if any(digests.get(name) != sha256_file(folder / name) for name in FILES):
            return False
        return all(
            np.load(folder / f"{name}.npy", mmap_mode="r").shape == (*leading, *shape)
            for name, shape in (("local", LOCAL_SHAPE), ("pooled", (POOLED_SIZE,)))
        )
    except (UserError, OSError, ValueError, EOFError, SyntaxError):
        return False
