"""Features of many pictures: one pass over them for all networks, cached in chunks, so that a dead run continues."""

import io
import os
import zipfile
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple, Protocol

import numpy as np

from ffgan_tf.metrics.pictures import Pictures, digest
from ffgan_tf.utils.files import write_atomic, write_json
from ffgan_tf.utils.progress import Progress

CHUNK = 512  # pictures a cache file: 4 MB of 2,048 float32 features; a run that dies loses fewer than this


TAPS = {"2048": "pool", "probabilities": "probs"}  # the network's taps that the scores are made from


class Network(Protocol):
    """What extraction needs of `inception.Network`."""

    def features(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [N, H, W, 3] → {tap: [N, channels]}."""

    def protocol(self) -> dict:
        """All that the features depend on besides the pixels, as JSON values."""


class Features(NamedTuple):
    """Of N pictures, one entry a network: "pool" [N, 2048] and, with a class head, "probs" [N, K]; its cache files."""

    arrays: list[dict[str, np.ndarray]]
    files: list[list[Path]]


def extract(pictures: Pictures, networks: list[Network], batch: int, cache_dir: str | os.PathLike,
            what: str = "features") -> Features:
    """Features of all `pictures` by each of `networks`. Every picture is read once; chunks that are cached, not at all.

    Raises UserError where a picture is damaged, and where features come out as NaN or infinity.
    """
    folders = []
    for network in networks:
        protocol = network.protocol()
        folder = Path(cache_dir).expanduser() / digest(protocol)[:24]
        if not (folder / "network.json").is_file():
            write_json(folder / "network.json", protocol)
        folders.append(folder)
    files: list[list[Path]] = [[] for _ in networks]
    parts: list[list[dict]] = [[] for _ in networks]
    progress, computed = None, 0
    for start in range(0, pictures.count, CHUNK):
        stop = min(start + CHUNK, pictures.count)
        name = f"{pictures.identity(start, stop)[:32]}.npz"
        chunk = [_load(folder / name, stop - start) for folder in folders]
        missing = [index for index, arrays in enumerate(chunk) if arrays is None]
        if missing:
            progress = progress or Progress(what, pictures.count, "images", start=start)
            made: list[list] = [[] for _ in networks]
            done = start
            for places, images in same_size_batches(pictures.read(start, stop), batch):
                for index in missing:
                    taps = networks[index].features(images)
                    made[index].append((places, {name: taps[tap] for tap, name in TAPS.items() if tap in taps}))
                done += len(places)
                progress.update(done)
            for index in missing:
                chunk[index] = _in_order(made[index])
                _save(folders[index] / name, chunk[index])
            computed += stop - start
        for index, folder in enumerate(folders):
            files[index].append(folder / name)
            parts[index].append(chunk[index])
    if progress:
        progress.close(f"{pictures.count - computed:,} from the cache" if computed < pictures.count else "")
    arrays = [{key: np.concatenate([part[key] for part in own]) for key in own[0]} for own in parts]
    return Features(arrays, files)


def same_size_batches(images: Iterable[np.ndarray], batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (places [n], images [n, H, W, 3]), n ≤ batch: pictures of one size together, each at its own size.

    A folder of many sizes is not resized to a common one first, which would filter its pictures twice.
    """
    waiting: dict[tuple, list] = {}
    held = 0
    for place, image in enumerate(images):
        group = waiting.setdefault(image.shape, [])
        group.append((place, image))
        held += 1
        if len(group) < batch:
            if held < 2 * batch:
                continue
            group = max(waiting.values(), key=len)  # too many sizes: let the fullest go, so that memory stays bounded
        held -= len(group)
        del waiting[group[0][1].shape]
        yield _stacked(group)
    for group in waiting.values():
        yield _stacked(group)


def _stacked(group: list) -> tuple[np.ndarray, np.ndarray]:
    return np.array([place for place, _ in group]), np.stack([image for _, image in group])


def _in_order(made: list[tuple[np.ndarray, dict]]) -> dict[str, np.ndarray]:
    order = np.argsort(np.concatenate([places for places, _ in made]))
    return {key: np.concatenate([arrays[key] for _, arrays in made])[order] for key in made[0][1]}


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomic(path, buffer.getvalue())


def _load(path: Path, count: int) -> dict[str, np.ndarray] | None:
    """The arrays of a cache file; None where it is missing or damaged: it is then made again."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None
    return arrays if arrays and all(len(array) == count for array in arrays.values()) else None
