"""python tools/judge_birds.py --data=RECORDS --run=RUN [--run=RUN:STEP …] [--melted=RUN:STEP,…]

Measures the share of a run's images that pass for one of the demo's birds. A small network learns to tell renderings
from images with the same colours and textures but no bird's shape (ffgan_tf/demo/non_birds.py), and from images of
early checkpoints (--melted), which are certainly not birds. It sees 32 × 32 pixels under random blur and noise, so that
neither texture nor a grid decides. Its errors on renderings of unseen species, and on non-birds made from them, come
first.
"""

import os

import numpy as np
from absl import app, flags

from ffgan_tf.config.flags import parse_flags
from ffgan_tf.utils.errors import UserError, exit_code_main

SIDE = 32
MELTED, HELD_OUT = 600, 100  # images of an early checkpoint, and those of them that test the judge


def halved(images: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S, 3), S a multiple of 32 → float32 (N, 32, 32, 3) in [−1, 1], means over squares."""
    n, k = len(images), images.shape[1] // SIDE
    return images.reshape(n, SIDE, k, SIDE, k, 3).mean((2, 4), dtype=np.float32) / 127.5 - 1


def train_judge(birds: np.ndarray, others: np.ndarray, seed: int, epochs: int):
    """A Keras model, (N, 32, 32, 3) in [−1, 1] → logit (N, 1) of "a bird", from images (·, S, S, 3) uint8."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    layers = tf.keras.layers
    model = tf.keras.Sequential([layers.Input((SIDE, SIDE, 3)), layers.RandomFlip("horizontal", seed=seed)])
    for width in (32, 64, 128):
        for stride in (1, 2):
            model.add(layers.Conv2D(width, 3, stride, "same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.3, seed=seed))
    model.add(layers.Dense(1))

    x = np.concatenate([halved(birds), halved(others)])
    y = np.concatenate([np.ones(len(birds)), np.zeros(len(others))]).astype(np.float32)
    weight = len(y) / 2 * np.where(y > 0, 1 / len(birds), 1 / len(others)).astype(np.float32)

    def disturbed(image, label, weight):
        one_each = [tf.shape(image)[0], 1, 1, 1]
        smooth = tf.nn.avg_pool2d(image, 3, 1, "SAME")
        noise = tf.random.normal(tf.shape(image)) * tf.random.uniform(one_each, 0, 0.12)
        return image + tf.random.uniform(one_each) * (smooth - image) + noise, label, weight

    data = tf.data.Dataset.from_tensor_slices((x, y, weight)).shuffle(len(x), seed=seed).batch(64).map(disturbed)
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // 64))
    model.compile(tf.keras.optimizers.Adam(rate), tf.keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(data, epochs=epochs, verbose=0)
    return model


def generated(text: str, data: str, count: int, seed: int) -> np.ndarray:
    """Images of `count` evenly chosen test images' first captions, by the EMA generator of RUN or RUN:STEP."""
    from ffgan_tf.data import pipeline
    from ffgan_tf.run.sampler import load_run
    from ffgan_tf.run.source import run_and_step

    folder, step = run_and_step(text)
    run, test = load_run(folder, step=step), pipeline.load_split(data, "test")
    chosen = np.linspace(0, len(test.names) - 1, min(count, len(test.names))).astype(int)
    return run.sampler([test.tokens[i, 0, : test.lengths[i, 0]].tolist() for i in chosen], seed)


def renderings(data: str, split: str) -> np.ndarray:
    """Centre crops of a split (N, S, S, 3) uint8."""
    from ffgan_tf.data import pipeline, records

    size = records.read_manifest(data)["image"]["max_size"]
    return pipeline.centre_crops(pipeline.load_split(data, split), max_size=size, image_size=size)


def define_flags() -> None:
    """The command's flags."""
    flags.DEFINE_string("data", "", "Converted demo birds.")
    flags.DEFINE_list("melted", [], "Early checkpoints, RUN:STEP, whose images are non-birds to learn from.")
    flags.DEFINE_multi_string("run", [], "Run or checkpoint to judge: RUN or RUN:STEP.")
    flags.DEFINE_integer("count", 64, "Test captions.", lower_bound=1)
    flags.DEFINE_integer("epochs", 12, "Passes of the judge's training.", lower_bound=1)
    flags.DEFINE_integer("seed", 1, "Of everything random.", lower_bound=0)
    flags.DEFINE_string("sheet", "", "PNG with the last run's images, the accepted ones first.")


def main(argv: list[str]) -> int:
    """Trains the judge, prints its errors, then judges the runs."""
    args = flags.FLAGS
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. Fix: see python tools/judge_birds.py --help")
    if not args.data:
        raise UserError("--data is missing. Fix: --data=RECORDS, the converted demo birds.")
    from ffgan_tf.demo.non_birds import non_birds
    from ffgan_tf.utils.files import write_atomic
    from ffgan_tf.utils.grid import grid, png

    birds, unseen = renderings(args.data, "train"), renderings(args.data, "test")
    fakes, unseen_others = non_birds(birds, args.seed), non_birds(unseen, args.seed + 1)
    for melted in args.melted:
        images = generated(melted, args.data, MELTED, args.seed)
        fakes[melted], unseen_others[melted] = images[HELD_OUT:], images[:HELD_OUT]
    model = train_judge(birds, np.concatenate(list(fakes.values())), args.seed, args.epochs)

    def accepted(images: np.ndarray) -> np.ndarray:
        return model.predict(halved(images), verbose=0)[:, 0] > 0

    print(f"renderings of unseen species accepted: {accepted(unseen).mean():.3f} of {len(unseen)}")
    for kind, images in unseen_others.items():
        print(f"non-birds accepted, {kind}: {accepted(images).mean():.3f} of {len(images)}")
    for text in args.run:
        images = generated(text, args.data, args.count, args.seed)
        passed = accepted(images)
        print(f"{text}: {passed.sum()} of {len(passed)} accepted, {passed.mean():.3f}", flush=True)
        if args.sheet and text == args.run[-1]:
            order = np.argsort(~passed, kind="stable")
            names = ["a bird" if passed[i] else "none" for i in order]
            write_atomic(args.sheet, png(grid(images[order], names, 16)))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    define_flags()
    app.run(exit_code_main(main), flags_parser=parse_flags)
