"""Sources of images to evaluate: a folder, the records of a data set, a generator.

Each source has a `count`, a name for messages (`what`), and yields images [start, stop) in order as uint8 RGB
[H, W, 3]; `identity(start, stop)` changes whenever those pixels may, so that it can name cached features.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ffgan_tf.data.images import EXTENSIONS, FORMATS, to_rgb
from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import expand_home
from ffgan_tf.utils.reading import LIMITS, check_file, user_path

_THREADS = min(8, os.cpu_count() or 1)


class Images(Protocol):
    """The interface of a source that feature extraction uses."""

    count: int
    what: str

    def identity(self, start: int, stop: int) -> str:
        """Hex digest that identifies images [start, stop)."""

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Images [start, stop) in order, uint8 [H, W, 3]; sizes may differ."""


def digest(value: Any) -> str:
    """SHA-256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("utf-8")).hexdigest()


def digest_arrays(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of arrays' bytes and shapes."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


class FolderImages:
    """All images below a folder, by sorted path, or a seeded choice of `limit` of them. No crop.

    Grey, palette, 16-bit and transparent images become RGB as in the converters. UserError where the folder is
    missing or empty, or a file is not a whole image; it names the file.
    """

    def __init__(self, folder: str, flag: str, limit: int = 0, seed: int = SEED):
        root = expand_home(folder)
        if not root.is_dir():
            raise UserError(f"--{flag}={folder}: no such folder. Fix: the folder of the images.")
        paths = sorted(
            path
            for path in root.rglob("*")
            if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
        )
        if not paths:
            raise UserError(
                f"--{flag}={folder}: no images in it. Fix: a folder that holds files of "
                f"{', '.join(EXTENSIONS)}, itself or in subfolders."
            )
        if limit and limit < len(paths):
            chosen = np.random.default_rng(seed).choice(len(paths), limit, replace=False)
            paths = [paths[index] for index in np.sort(chosen)]
        self.paths, self.count, self.what = paths, len(paths), f"{folder}"
        self.sizes = {_size(path) for path in paths}  # (width, height); a file that is no image is reported here, early

    def identity(self, start: int, stop: int) -> str:
        with ThreadPoolExecutor(_THREADS) as pool:
            return digest(
                list(pool.map(lambda path: hashlib.sha256(path.read_bytes()).hexdigest(), self.paths[start:stop]))
            )

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        with ThreadPoolExecutor(_THREADS) as pool:
            waiting: deque[Future[np.ndarray]] = deque()
            for path in self.paths[start:stop]:
                waiting.append(pool.submit(read_image, path))
                if len(waiting) > 2 * _THREADS:  # a window, so that a folder of large photographs fits in memory
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def _size(path: Path) -> tuple[int, int]:
    fix = "Fix: create the file again, or move it out of the folder."
    check_file(path, LIMITS["image"], fix=fix)
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UserError(f"{user_path(path)}: not an image ({error}). {fix}") from error


def read_image(path: Path) -> np.ndarray:
    """An image file as uint8 RGB [H, W, 3]. UserError where it is damaged or cut short."""
    fix = "Fix: create the file again, or move it out of the folder."
    check_file(path, LIMITS["image"], fix=fix)
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.load()
            return np.asarray(to_rgb(image)[0])
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UserError(f"{user_path(path)}: not a whole image ({error}). {fix}") from error


class RecordImages:
    """The images of one split, as S×S crops of a shorter side of S·76/64 (docs/model.md section 6)."""

    def __init__(
        self, data_dir: str, split: str, image_size: int, crop: str = "centre", limit: int = 0, seed: int = SEED
    ):
        from ffgan_tf.data import pipeline, records

        manifest = records.read_manifest(data_dir)
        max_size = manifest["image"]["max_size"]
        pipeline.size_ratio(max_size, image_size, data_dir)
        self._split = pipeline.load_split(data_dir, split)
        self._order = np.arange(len(self._split.names))
        if limit and limit < len(self._order):
            self._order = np.sort(np.random.default_rng(seed).choice(len(self._order), limit, replace=False))
        self.count, self.what = len(self._order), f"{data_dir} {split}"
        self.data_name = manifest["name"]
        self.names = [self._split.names[index] for index in self._order]  # '<class>/<image>'
        self.classes = self._split.classes[self._order]
        self.stored = records.storage(manifest)
        self._size, self._max_size, self._crop, self._seed = image_size, max_size, crop, seed
        self._content = [shard["sha256"] for shard in manifest["splits"][split]["shards"]]

    def first_captions(self, count: int) -> list[list[int]]:
        """Token ids of the first captions of `count` of the images, or of all, spread evenly over them."""
        split, rows = self._split, np.linspace(0, self.count - 1, min(count, self.count)).astype(int)
        return [split.tokens[i, 0, : split.lengths[i, 0]].tolist() for i in self._order[rows]]

    def identity(self, start: int, stop: int) -> str:
        seed = self._seed if self._crop == "random_flip" else 0
        return digest(["accurate DCT", self._content, self._order[start:stop].tolist(), self._size, self._crop, seed])

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        import tensorflow as tf

        from ffgan_tf.data import pipeline

        split = self._split
        heights, widths = tf.constant(split.height), tf.constant(split.width)

        def image(index):
            draw = tf.constant([0.5, 0.5, 1.0])
            if self._crop == "random_flip":
                draw = tf.random.stateless_uniform([3], pipeline.seed_of(self._seed, pipeline.AUGMENT, index))
            return pipeline.crop_at(
                split.jpegs[index],
                heights[index],
                widths[index],
                self._size,
                self._max_size,
                draw[:2],
                draw[2] < 0.5,
                whole=True,
            )

        data = tf.data.Dataset.from_tensor_slices(self._order[start:stop])
        data = data.map(image, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(64)
        return data.as_numpy_iterator()


class GeneratedImages:
    """Images returned by `generate(indices)`: uint8 [n, S, S, 3] for indices [n] of 0..count − 1.

    Image i must depend only on i and on `source` (checkpoint, captions, seed, truncation), not on its batch. `source`
    is a JSON value; it names the cached features.
    """

    def __init__(
        self, generate: Callable[[np.ndarray], np.ndarray], count: int, source: Any, what: str, batch: int = 32
    ):
        self._generate, self._source, self._batch = generate, source, batch
        self.count, self.what = count, what

    def identity(self, start: int, stop: int) -> str:
        return digest([self._source, start, stop])

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        for begin in range(start, stop, self._batch):
            indices = np.arange(begin, min(begin + self._batch, stop))
            images = np.asarray(self._generate(indices))
            if images.dtype != np.uint8 or images.ndim != 4 or len(images) != len(indices) or images.shape[-1] != 3:
                raise ValueError(
                    f"generate() must give uint8 [{len(indices)}, S, S, 3], not {images.dtype} {list(images.shape)}"
                )
            yield from images
