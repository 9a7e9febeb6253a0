"""Do FID and KID grow with distortion?   python benchmarks/metric_sanity.py --data=RECORDS --inception_weights=FILE

On the real images of a converted data set: train against test; test against itself blurred, with noise, and through
JPEG, at growing strength (both scores must grow at each step); halves of the training images against each other by
their count N, which shows FID's bias and that KID has none; train against test again with features in bfloat16, which
shows the error of --precision=bfloat16. Features are cached: the second run takes seconds. Exit code 1 if a score does
not grow.
"""

import io
import os
import sys
from collections.abc import Iterator

import numpy as np
from absl import flags
from PIL import Image, ImageFilter

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from ffgan_tf.config.commands import run_command
from ffgan_tf.evaluation.engine import CACHE
from ffgan_tf.evaluation.images import RecordImages, digest
from ffgan_tf.evaluation.report import format_table

flags.DEFINE_string("data", None, "Folder of a converted data set.", required=True)
flags.DEFINE_string("inception", "keras", "Network of the features.")
flags.DEFINE_string("inception_weights", None, "Its weights file.")
flags.DEFINE_integer("image_size", 256, "S of the centre crops.")
flags.DEFINE_integer("train_count", 2310, "Training images to use, a seeded choice; 0: all.")
flags.DEFINE_integer("distorted_count", 0, "Test images to distort, a seeded choice; 0: all.")
flags.DEFINE_integer("batch", 32, "Images at once.")
flags.DEFINE_string("cache_dir", CACHE, "Where features are kept.")
flags.DEFINE_enum("format", "md", ("text", "md", "latex"), "Form of the tables.")


def blur(image: np.ndarray, sigma: float, index: int) -> np.ndarray:
    """Gaussian blur, σ in pixels."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)))


def noise(image: np.ndarray, deviation: float, index: int) -> np.ndarray:
    """Gaussian noise, its standard deviation in levels of 255."""
    grain = np.random.default_rng(index).normal(0, deviation, image.shape)
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: float, index: int) -> np.ndarray:
    """Encodes and decodes as JPEG at a quality."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(quality))
    return np.asarray(Image.open(buffer))


DISTORTIONS = {"blur, σ": (blur, (1, 2, 4)), "noise, σ": (noise, (10, 20, 40)), "JPEG, quality": (jpeg, (50, 20, 5))}


class Distorted:
    """A source of images, each changed by `change(image, strength, index)`."""

    def __init__(self, images: RecordImages, name: str, strength: float):
        self._images, self._name, self._strength = images, name, strength
        self.count, self.what = images.count, f"{name} {strength:g}"

    def identity(self, start: int, stop: int) -> str:
        return digest([self._images.identity(start, stop), self._name, self._strength])

    def read(self, start: int, stop: int) -> Iterator[np.ndarray]:
        change = DISTORTIONS[self._name][0]
        for index, image in enumerate(self._images.read(start, stop), start):
            yield change(image, self._strength, index)


def main(argv: list[str]) -> int:
    """Prints two tables."""
    import warnings

    from ffgan_tf.evaluation.features import extract
    from ffgan_tf.evaluation.inception.networks import load_network
    from ffgan_tf.metrics.fid import fid
    from ffgan_tf.metrics.kid import kid

    warnings.filterwarnings("ignore", "FID from")  # the tables show the counts, the second one is about them
    args = flags.FLAGS
    network, fast = (
        load_network(args.inception, args.inception_weights, dtype, batch_size=args.batch)
        for dtype in ("float32", "bfloat16")
    )

    def features(images, network=network):
        return extract(images, [network], args.batch, args.cache_dir, images.what).arrays[0]["pool"]

    def scores(one, two):
        distance = kid(one, two, subsets=50, subset_size=min(500, len(one) // 2, len(two) // 2))
        return fid(one, two), distance.mean, distance.std

    def row(name, one, two):
        f, k, spread = scores(one, two)
        return [name, f"{len(one):,} / {len(two):,}", f"{f:.3f}", f"{k:.6f} ± {spread:.6f}"], f, k

    test = RecordImages(args.data, "test", args.image_size)
    train = RecordImages(args.data, "train", args.image_size, limit=args.train_count)
    real, other = features(test), features(train)
    rows = [row("test against itself", real, real)[0], row("train against test", other, real)[0]]
    rows.append(row("train against test, both in bfloat16", features(train, fast), features(test, fast))[0])
    clear = RecordImages(args.data, "test", args.image_size, limit=args.distorted_count)
    clear_features, fails = features(clear), []
    for name, (_, strengths) in DISTORTIONS.items():
        # Starts at the score of the set against itself, not at 0: the copies are not independent samples, and equal
        # pairs push KID slightly below 0.
        before = scores(clear_features, clear_features)
        for strength in strengths:
            changed = features(Distorted(clear, name, strength))
            cells, *now = row(f"test, {name} {strength}, against the same unchanged", changed, clear_features)
            rows.append(cells)
            fails += [
                f"{score} does not grow at {name} {strength}"
                for score, old, new in zip(("FID", "KID"), before, now)
                if new <= old
            ]
            before = now
    print(format_table(["images", "N", "FID", "KID ± over subsets"], rows, args.format), end="\n\n")

    rows, random, size = [], np.random.default_rng(0), len(other) // 2
    sizes = [size]
    while size // 2 >= 64:
        sizes.append(size := size // 2)
    for size in reversed(sizes):
        draws = []
        for _ in range(5):
            order = random.permutation(len(other))
            one, two = other[order[:size]], other[order[size : 2 * size]]
            draws.append((fid(one, two), kid(one, two, subsets=10, subset_size=500).mean))
        mean, std = np.mean(draws, axis=0), np.std(draws, axis=0)
        rows.append([f"{size:,}", f"{mean[0]:.3f} ± {std[0]:.3f}", f"{mean[1]:.6f} ± {std[1]:.6f}"])
    print(format_table(["N a half (training images)", "FID, 5 draws", "KID, 5 draws"], rows, args.format))
    print(f"\nnetwork: {network.protocol()}")
    for problem in fails:
        print(f"FAILED: {problem}")
    return 1 if fails else 0


if __name__ == "__main__":
    run_command(main)
