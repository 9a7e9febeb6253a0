"""How soon a new discriminator tells a trained generator's images from photographs:

    python benchmarks/what_d_sees.py --run=RUN --data=RECORDS [--d=SETTINGS …] [--alone]

For each --d, such as d_norm=none,d_detail=15 (default: the run's own settings), a new discriminator's unconditional
head learns from generated images of training captions and from photographs, under --augment=translation; G learns
nothing. After every 40 steps: the area under the ROC curve on images of both kinds that it has not learned from, each
in batches of one kind, as D sees them in training. 0.5 is chance, 1 no mistake. The same images for all.
--alone: the branches of --d_detail without the trunk; they learn ten times as fast as --lr_d says.
"""

import argparse
import dataclasses
import os
import sys
import time

import numpy as np
import scipy.stats

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.config.train import AdamConfig
from ffgan_tf.data import pipeline, records
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.run.sampler import load_run
from ffgan_tf.training.adam import adam
from ffgan_tf.training.augment import augmented, numbers_for
from ffgan_tf.utils.pixels import to_unit

HELD_OUT, EVERY, AUGMENT = 256, 40, ("translation",)


def settings(text: str, model: ModelConfig) -> ModelConfig:
    """`model` with the settings NAME=VALUE of a list with commas."""
    given = dict(one.split("=") for one in text.split(",") if one)
    return dataclasses.replace(model, **{name: type(getattr(model, name))(value) for name, value in given.items()})


def images_of(run, data: str, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` training photographs, and as many images of training captions: (N, S, S, 3) uint8 each."""
    split, size = pipeline.load_split(data, "train"), run.config.model.image_size
    largest, rng = records.read_manifest(data)["image"]["max_size"], np.random.default_rng(seed)
    real, captions = (rng.permutation(len(split.names))[:count] for _ in range(2))
    fakes = run.sampler([split.tokens[i, 0, : split.lengths[i, 0]].tolist() for i in captions], seed)
    return pipeline.centre_crops(split, max_size=largest, image_size=size, only=real), fakes


def watch(model: ModelConfig, real: np.ndarray, fakes: np.ndarray, args: argparse.Namespace, name: str) -> None:
    """Trains one discriminator and prints what it tells apart."""
    tf.keras.utils.set_random_seed(args.seed)
    d, optimizer = build.build_discriminator(model), adam(AdamConfig(), args.lr_d)
    rng, learned = np.random.default_rng(args.seed), len(real) - HELD_OUT

    def logits(images: tf.Tensor) -> tf.Tensor:
        return d.detail(images) if args.alone else d.unconditional(d.features(images, training=True), images)

    @tf.function
    def step(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        shown = tf.split(augmented(to_unit(images), uniform, AUGMENT), 2)
        with tf.GradientTape() as tape:
            loss = (losses.minus_log_d(logits(shown[0])) + losses.minus_log_one_minus_d(logits(shown[1]))) / 2
        found = zip(tape.gradient(loss, d.trainable_variables), d.trainable_variables)
        optimizer.apply_gradients([pair for pair in found if pair[0] is not None])
        return loss

    judged = tf.function(lambda images: logits(to_unit(images)))
    losses_so_far, start = [], time.perf_counter()
    for number in range(1, args.steps + 1):
        drawn = [kind[rng.integers(0, learned, args.batch)] for kind in (real, fakes)]
        uniform = rng.uniform(size=(2 * args.batch, numbers_for(AUGMENT))).astype(np.float32)
        losses_so_far.append(float(step(np.concatenate(drawn), uniform)))
        if number % EVERY == 0 or number == args.steps:
            seconds = time.perf_counter() - start
            parts = [np.split(kind[-HELD_OUT:], HELD_OUT // args.batch) for kind in (real, fakes)]
            of_real, of_fakes = (np.concatenate([judged(part).numpy() for part in kind]) for kind in parts)
            area = scipy.stats.mannwhitneyu(of_real, of_fakes).statistic / HELD_OUT**2
            loss = np.mean(losses_so_far[-EVERY:])
            print(f"{name}  step {number}  loss {loss:.3f}  area {area:.3f}  {seconds:.0f} s", flush=True)


def main() -> None:
    """One line per discriminator and 40 steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="a run's folder, or a model file")
    parser.add_argument("--data", required=True, help="its converted data set")
    parser.add_argument("--d", action="append", help="settings of a discriminator, NAME=VALUE,…; may be repeated")
    parser.add_argument("--alone", action="store_true", help="the branches of --d_detail without the trunk")
    parser.add_argument("--lr_d", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=16, help="of each kind; a divisor of 256")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--images", type=int, default=1600, help=f"of each kind, {HELD_OUT} of them held out")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if HELD_OUT % args.batch:
        parser.error(f"--batch={args.batch}: must divide {HELD_OUT}")
    run = load_run(args.run)
    models = {text or "as the run": settings(text, run.config.model) for text in args.d or [""]}
    for name, model in models.items():
        if args.alone and not model.d_detail:
            parser.error(f"--alone: {name} has no branches. Fix: --d=d_detail=15")
    real, fakes = images_of(run, args.data, args.images, args.seed)
    for name, model in models.items():
        watch(model, real, fakes, args, name)


if __name__ == "__main__":
    main()
