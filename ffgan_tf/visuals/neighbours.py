"""Did the model memorise its training images? Generated images beside the nearest training images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ffgan_tf.evaluation.engine import CACHE
from ffgan_tf.evaluation.features import Network, extract
from ffgan_tf.evaluation.images import RecordImages
from ffgan_tf.run.text_to_image import TextToImage
from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals.canvas import table, tile_side

PIXELS = 32  # pixel distance is that of images averaged down to so many pixels a side
HELD_OUT = 256  # test images whose distance to their nearest training image is the measure


class Neighbours(NamedTuple):
    """The nearest training images of N generated ones, nearest first, with their distances."""

    indices: np.ndarray  # (N, k) int64, in the order of the training split
    distances: np.ndarray  # (N, k) float64
    mirrored: np.ndarray  # (N, k) bool: it is the training image's mirror image


def nearest(queries: np.ndarray, references: np.ndarray, k: int, chunk: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """The `k` rows of `references` [M, D] with the least Euclidean distance to each row of `queries` [N, D].

    Returns (indices [N, k] int64, distances [N, k] float64), nearest first; the lower index among equals.
    """
    references = np.asarray(references, np.float64)
    norms = np.square(references).sum(axis=1)
    indices, distances = [], []
    for start in range(0, len(queries), chunk):
        part = np.asarray(queries[start : start + chunk], np.float64)
        rough = norms - 2 * part @ references.T  # ‖a − b‖² − ‖a‖²: the order is all it is for
        for row, candidates in zip(part, np.argsort(rough, axis=1, kind="stable")[:, : k + 8]):
            exact = np.linalg.norm(references[candidates] - row, axis=1)
            order = np.lexsort([candidates, exact])[:k]
            indices.append(candidates[order])
            distances.append(exact[order])
    return np.array(indices, np.int64), np.array(distances)


def pixel_features(images: np.ndarray) -> np.ndarray:
    """Images (N, S, S, 3) uint8 averaged down to 32×32, scaled to [0, 1] and laid out as [N, 3,072] float32.

    The mean is taken over blocks, so S must be a multiple of 32. Two images' distance over √3,072 is the root mean
    square of their pixels' differences.
    """
    count, size = images.shape[:2]
    block = size // PIXELS
    parts = images.reshape(count, PIXELS, block, PIXELS, block, 3).astype(np.float32)
    return parts.mean(axis=(2, 4)).reshape(count, -1) / 255


class TrainingImages:
    """A data set's training images as S×S centre crops, to compare generated images with.

    By pixels (`network` None) each image and its mirror image count, because training mirrors. By a network's features
    the image alone counts: mirroring hardly changes them. Features are cached as `evaluate` caches them.
    """

    def __init__(
        self, data: str, image_size: int, network: Network | None = None, batch: int = 32, cache_dir: str = CACHE
    ):
        self._network, self._batch, self.by_features = network, batch, network is not None
        self.images = RecordImages(data, "train", image_size)
        self.size, self.count = image_size, self.images.count
        held_out = RecordImages(data, "test", image_size, limit=HELD_OUT)
        if network is None:
            self._features = np.concatenate([self._by_pixels(self.images, mirror) for mirror in (False, True)])
            queries = self._by_pixels(held_out, False)
        else:
            self._features = extract(self.images, [network], batch, cache_dir, "training images").arrays[0]["pool"]
            queries = extract(held_out, [network], batch, cache_dir, "test images").arrays[0]["pool"]
        #: median distance of a real test image to its nearest training image: the unit of distance
        self.usual = float(np.median(nearest(queries, self._features, 1)[1]))

    @staticmethod
    def _by_pixels(images: RecordImages, mirror: bool) -> np.ndarray:
        parts = (image[:, ::-1] if mirror else image for image in images.read(0, images.count))
        return np.concatenate([pixel_features(image[None]) for image in parts])

    def nearest(self, generated: np.ndarray, k: int) -> Neighbours:
        """The `k` nearest training images of each of `generated` (N, S, S, 3) uint8."""
        if self._network is None:
            # 2k candidates, because only the nearer of an image and its mirror image is kept.
            indices, distances = nearest(pixel_features(generated), self._features, 2 * k)
            return _once(indices, distances, k, self.count)
        queries = np.concatenate(
            [
                self._network.features(generated[start : start + self._batch])["2048"]
                for start in range(0, len(generated), self._batch)
            ]
        )
        indices, distances = nearest(queries, self._features, k)
        return Neighbours(indices, distances, np.zeros(indices.shape, bool))

    def image(self, index: int, mirrored: bool = False) -> np.ndarray:
        """A training image's crop (S, S, 3) uint8."""
        image = next(iter(self.images.read(index, index + 1)))
        return image[:, ::-1] if mirrored else image

    def name(self, index: int) -> str:
        """Its name in the data set, without its class."""
        return self.images.names[index].rpartition("/")[2]


def _once(indices: np.ndarray, distances: np.ndarray, k: int, count: int) -> Neighbours:
    """Reduces rows of 2k neighbours, among `count` images followed by their mirror images, to k different images."""
    rows = []
    for row in indices:
        first = [index for index, place in enumerate(row % count) if place not in row[:index] % count]
        rows.append(first[:k])
    chosen = np.array(rows)
    kept = np.take_along_axis(indices, chosen, 1)
    return Neighbours(kept % count, np.take_along_axis(distances, chosen, 1), kept >= count)


def neighbours_sheet(
    model: TextToImage,
    training: TrainingImages,
    sentences: Sequence[str],
    seeds: Sequence[int],
    k: int = 5,
    truncation: float = 0.0,
) -> np.ndarray:
    """A row for each sentence and seed: the generated image, then its `k` nearest training images; (H, W, 3) uint8.

    Distances are multiples of the usual one (`TrainingImages.usual`). First neighbours far below 1 in all rows are the
    sign of memorisation.
    """
    if not 1 <= k <= training.count:
        raise UserError(f"--neighbours={k}: the data set has {training.count:,} training images. Fix: 1 to that many.")
    pairs = [(sentence, seed) for sentence in sentences for seed in seeds]
    images = model.generate(sentences, seeds=seeds, truncation=truncation)
    neighbours = training.nearest(images, k)
    tiles, labels = [], []
    for number, (sentence, seed) in enumerate(pairs):
        row = list(zip(neighbours.indices[number], neighbours.mirrored[number], neighbours.distances[number]))
        tiles.append([images[number]] + [training.image(index, mirrored) for index, mirrored, _ in row])
        labels.append(
            [f"{sentence} (seed {seed})"]
            + [
                f"{distance / training.usual:.2f} x{' mirrored' if mirrored else ''} {training.name(index)}"
                for index, mirrored, distance in row
            ]
        )
    by = "Inception features" if training.by_features else f"pixels, averaged down to {PIXELS} x {PIXELS}"
    return table(
        tiles,
        side=tile_side(images.shape[1]),
        heading="The nearest training images",
        note=f"By {by}, of {training.count:,}. 1 x is the median distance of real test images to their nearest "
        "training image: a memorised image lies far below it.",
        columns=["generated"] + [f"{n}." for n in range(1, k + 1)],
        labels=labels,
    )
