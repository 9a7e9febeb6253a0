"""How fast is the input pipeline?   python benchmarks/pipeline.py --data=RECORDS

Images a second of `training_batches` and of its parts: each part alone in the same tf.data frame, a bare tf.data
pipeline that only decodes random crops, and a PIL loader as AttnGAN's (open, random crop, mirror; here the converter
has done its resizing). Images/s by the clock fall when other processes take the cores. CPU seconds per 1,000 images,
over all threads, hardly depend on other processes; cores ÷ CPU seconds bounds the rate on a quiet machine.
"""

import functools
import io
import os
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from absl import flags
from PIL import Image

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.config.commands import run_command
from ffgan_tf.data import pipeline, records

flags.DEFINE_string("data", None, "Folder of a converted data set.", required=True)
flags.DEFINE_multi_integer("image_size", [256, 64], "S; give the flag again for more.")
flags.DEFINE_integer("batch", 20, "Images a batch.", lower_bound=2)
flags.DEFINE_integer("images", 6000, "Images to time in each row.", lower_bound=100)
CORES = len(os.sched_getaffinity(0))


def in_tf_data(sample: Callable, batch: int) -> tf.data.Dataset:
    """`sample(position)` for all positions, in the frame of `training_batches`."""
    data = tf.data.Dataset.range(np.iinfo(np.int64).max)
    data = data.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return data.batch(batch, drop_remainder=True).prefetch(2)


def bare(split: pipeline.Split, size: int, ratio: int, position: tf.Tensor) -> tf.Tensor:
    """Decodes a random crop and does nothing else."""
    index = tf.cast(position % len(split.names), tf.int32)
    room = tf.constant(split.height)[index] // ratio - size, tf.constant(split.width)[index] // ratio - size
    offset = [tf.random.uniform([], 0, limit + 1, tf.int32) for limit in room]
    return tf.image.decode_and_crop_jpeg(split.jpegs[index], [*offset, size, size], channels=3, ratio=ratio)


def pil_loader(split: pipeline.Split, size: int, ratio: int, batch: int) -> Iterator[np.ndarray]:
    """One thread; the images wait encoded in memory."""
    encoded, random = split.jpegs.numpy(), np.random.default_rng(0)
    while True:
        images = []
        for index in random.integers(len(encoded), size=batch):
            image = Image.open(io.BytesIO(encoded[index]))
            image = image.convert("RGB")
            if ratio > 1:
                image = image.resize((image.width // ratio, image.height // ratio), Image.Resampling.BILINEAR)
            left, top = random.integers(image.width - size + 1), random.integers(image.height - size + 1)
            image = image.crop((left, top, left + size, top + size))
            if random.random() < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            images.append(np.asarray(image))
        yield np.stack(images)


def report(what: str, batches: Iterator, batch: int, images: int, cores: int = CORES) -> None:
    """Times `images` images after a warm-up and prints a row."""
    for _ in range(max(2, images // batch // 10)):
        next(batches)
    steps = images // batch
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(batches)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    count = steps * batch
    print(f"| {what} | {count / wall:,.0f} | {1000 * cpu / count:.3f} | {cores * count / cpu:,.0f} |", flush=True)


def main(argv: list[str]) -> int:
    """Prints a table for each S."""
    values = flags.FLAGS
    max_size = records.read_manifest(values.data)["image"]["max_size"]
    split, batch = pipeline.load_split(values.data, "train"), values.batch
    tokens, lengths = tf.constant(split.tokens[:, 0]), tf.constant(split.lengths[:, 0])

    def in_epoch(position):
        return tf.cast(position % len(split.names), tf.int32)

    for size in values.image_size:
        ratio = pipeline.size_ratio(max_size, size, values.data)

        def crop(position, mirrored=False, size=size):
            index = in_epoch(position)
            return pipeline.crop_at(
                split.jpegs[index],
                tf.constant(split.height)[index],
                tf.constant(split.width)[index],
                size,
                max_size,
                tf.random.uniform([2]),
                tf.constant(mirrored),
            )

        parts = {
            "bare: decode a random crop": functools.partial(bare, split, size, ratio),
            "part: crop_at": crop,
            "part: crop_at, all mirrored": functools.partial(crop, mirrored=True),
            "part: shuffled_index": lambda position: pipeline.shuffled_index(position, len(split.names), 1),
            "part: pick_words": lambda position: pipeline.pick_words(
                tokens[in_epoch(position)], lengths[in_epoch(position)], 18, pipeline.seed_of(1, 3, position)
            ),
            "part: noise": lambda position: tf.random.stateless_normal([200], pipeline.seed_of(1, 4, position)),
        }
        print(
            f"\nS = {size}, {max_size // ratio * 76 // 64} px images decoded at 1/{ratio}, batch {batch}, "
            f"{CORES} cores, TensorFlow {tf.__version__}\n\n"
            "| | images/s | CPU s per 1,000 | cores ÷ CPU: images/s at best |\n|---|---:|---:|---:|"
        )
        report(
            "**training_batches**",
            iter(
                pipeline.training_batches(
                    split, max_size=max_size, image_size=size, batch=batch, max_words=18, noise_dim=200, seed=1
                )
            ),
            batch,
            values.images,
        )
        for what, sample in parts.items():
            report(what, iter(in_tf_data(sample, batch)), batch, values.images)
        report("PIL, one thread", pil_loader(split, size, ratio, batch), batch, values.images // 4, cores=1)
    return 0


if __name__ == "__main__":
    run_command(main)
