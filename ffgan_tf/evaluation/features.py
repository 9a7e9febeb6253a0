"""Features of many images: one pass for all networks, cached in chunks, so that an interrupted evaluation resumes."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ffgan_tf.evaluation.images import Images, digest
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import expand_home, write_atomic, write_json
from ffgan_tf.utils.progress import Progress
from ffgan_tf.utils.reading import npz_bytes, read_npz

CHUNK = 512  # images per cache file: 4 MB of 2,048 float32 features; an interruption costs at most these


TAPS = {"2048": "pool", "probabilities": "probs", "codes": "codes"}  # the inputs of the scores


class Network(Protocol):
    """The interface of `inception.Network` and `retrieval.Damsm` that extraction uses."""

    def features(self, images: Sequence[np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [N, H, W, 3], or N arrays [H, W, 3] of any sizes → {tap: [N, channels]}."""

    def protocol(self) -> dict:
        """Everything besides the pixels that determines the features, as JSON values."""


class Features(NamedTuple):
    """Of N images, one entry a network: "pool" [N, 2048] and, with a class head, "probs" [N, K], or DAMSM's "codes"
    [N, d]; its cache files."""

    arrays: list[dict[str, np.ndarray]]
    files: list[list[Path]]


def extract(
    images: Images, networks: list[Network], batch: int, cache_dir: str | os.PathLike, what: str = "features"
) -> Features:
    """Features of all `images` by each of `networks`. Every image is read once, unless its chunk is cached.

    Raises UserError where an image is damaged, and where features come out as NaN or infinity.
    """
    folders = []
    for network in networks:
        protocol = network.protocol()
        folder = expand_home(cache_dir) / digest(protocol)[:24]
        with report_write_errors(f"--cache_dir={cache_dir}"):
            if not (folder / "network.json").is_file():
                write_json(folder / "network.json", protocol)
        folders.append(folder)
    files: list[list[Path]] = [[] for _ in networks]
    parts: list[list[dict]] = [[] for _ in networks]
    progress, computed = None, 0
    for start in range(0, images.count, CHUNK):
        stop = min(start + CHUNK, images.count)
        name = f"{images.identity(start, stop)[:32]}.npz"
        cached = [_load(folder / name, stop - start) for folder in folders]
        chunk = {index: arrays for index, arrays in enumerate(cached) if arrays is not None}
        missing = [index for index in range(len(folders)) if index not in chunk]
        if missing:
            progress = progress or Progress(what, images.count, "images", start=start)
            batches: list[list] = [[] for _ in networks]
            decoded, done = images.read(start, stop), start
            while together := list(itertools.islice(decoded, batch)):
                for index in missing:
                    taps = networks[index].features(_stacked(together))
                    batches[index].append({key: taps[tap] for tap, key in TAPS.items() if tap in taps})
                done += len(together)
                progress.update(done)
            for index in missing:
                chunk[index] = {
                    key: np.concatenate([part[key] for part in batches[index]]) for key in batches[index][0]
                }
                _save(folders[index] / name, chunk[index])
            computed += stop - start
        for index, folder in enumerate(folders):
            files[index].append(folder / name)
            parts[index].append(chunk[index])
    if progress:
        progress.close(f"{images.count - computed:,} from the cache" if computed < images.count else "")
    arrays = [{key: np.concatenate([part[key] for part in own]) for key in own[0]} for own in parts]
    return Features(arrays, files)


def _stacked(images: list[np.ndarray]) -> np.ndarray | list[np.ndarray]:
    """One array where all sizes are equal, for speed; the network resizes images of several sizes one by one."""
    return np.stack(images) if len({image.shape for image in images}) == 1 else images


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with report_write_errors(path):
        write_atomic(path, npz_bytes(arrays))


def _load(path: Path, count: int) -> dict[str, np.ndarray] | None:
    """The arrays of a cache file; None where it is missing or damaged, so that it is computed again."""
    try:
        arrays = read_npz(path)
    except UserError:
        return None
    return arrays if arrays and all(len(array) == count for array in arrays.values()) else None
