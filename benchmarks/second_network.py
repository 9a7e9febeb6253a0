"""FID and its companions by a network that no loss has seen:

    python benchmarks/second_network.py --run=RUN[:STEP] [--run=…] --data=RECORDS --weights=FILE [--photographs]

--d_projected trains against an Inception-v3, and a FID by that Inception-v3 may then flatter. Here the features are the
1,280 means of the last map of MobileNet-v2 (tf.keras.applications, without its top, at 224 pixels). One image for each
test image, from one of its captions drawn by --seed, against the test photographs at the S of the records' largest run;
smaller images are enlarged by Lanczos. --photographs: also as many training photographs, what a perfect model could
reach. One JSON line for each.
"""

import argparse
import json
import os
import sys

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.data import pipeline, records
from ffgan_tf.metrics.scores import compare_features
from ffgan_tf.run.sampler import load_run
from ffgan_tf.run.source import run_and_step
from ffgan_tf.utils.files import sha256_file
from ffgan_tf.utils.keras_files import load_weights
from ffgan_tf.utils.pixels import to_unit

SIDE, BATCH = 224, 33


class MobileNet:
    """Images (N, S, S, 3) uint8 → features (N, 1280)."""

    def __init__(self, weights: str):
        model = tf.keras.applications.MobileNetV2(
            include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), pooling="avg"
        )
        load_weights(model, weights, "Keras's MobileNetV2 without its top", "Fix: such a file.")

        @tf.function
        def features(images):
            # MobileNetV2's own scale, too, is [−1, 1].
            return model(tf.image.resize(to_unit(images), [SIDE, SIDE]), training=False)

        self._features = features

    def __call__(self, images: np.ndarray) -> np.ndarray:
        parts = (images[i : i + BATCH] for i in range(0, len(images), BATCH))
        return np.concatenate([self._features(tf.constant(part)).numpy() for part in parts])


def photographs(data: str, split: str, size: int, count: int, seed: int) -> np.ndarray:
    """`count` photographs of a split (0: all of it) at `size` pixels, uint8."""
    found, largest = pipeline.load_split(data, split), records.read_manifest(data)["image"]["max_size"]
    only = np.sort(np.random.default_rng(seed).permutation(len(found.names))[:count]) if count else None
    return pipeline.centre_crops(found, max_size=largest, image_size=size, only=only)


def drawn(run, data: str, size: int, seed: int) -> np.ndarray:
    """An image for each test image, `size` pixels wide, uint8."""
    test, random = pipeline.load_split(data, "test"), np.random.default_rng(seed)
    chosen = [int(random.integers(np.count_nonzero(lengths))) for lengths in test.lengths]
    tokens = [test.tokens[i, k, : test.lengths[i, k]].tolist() for i, k in enumerate(chosen)]
    images = run.sampler(tokens, seed)
    if images.shape[1] == size:
        return images
    resized = (Image.fromarray(one).resize((size, size), Image.Resampling.LANCZOS) for one in images)
    return np.stack([np.asarray(one) for one in resized])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, help="folder, model file or shipped name; :STEP")
    parser.add_argument("--data", required=True, help="converted data set")
    parser.add_argument("--weights", required=True, help="of Keras's MobileNetV2 without its top, .h5")
    parser.add_argument("--photographs", action="store_true", help="training photographs as well")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    runs = []
    for given in args.run:
        path, step = run_and_step(given)
        runs.append((given, load_run(path, step=step)))
    size = max(run.config.model.image_size for _, run in runs)
    network, digest = MobileNet(args.weights), sha256_file(args.weights)
    real = network(photographs(args.data, "test", size, 0, args.seed))
    sets = ((name, lambda run=run: drawn(run, args.data, size, args.seed)) for name, run in runs)
    if args.photographs:
        train = ("training photographs", lambda: photographs(args.data, "train", size, len(real), args.seed))
        sets = (*sets, train)
    for name, images in sets:
        scores, notes = compare_features(network(images()), real, seed=args.seed)
        kept = ("fid", "kid", "precision", "recall", "density", "coverage")
        line = {"run": name, "side": size, "seed": args.seed, **{key: round(float(scores[key]), 4) for key in kept}}
        print(json.dumps({**line, "weights_sha256": digest, "notes": notes}), flush=True)


if __name__ == "__main__":
    main()
