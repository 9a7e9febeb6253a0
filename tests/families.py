"""Every family at its smallest, for tests: settings, a training state, batches."""

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.families import FACTS, reads
from ffgan_tf.models import build
from ffgan_tf.training.gan_inputs import noise_numbers
from ffgan_tf.training.gan_step import Gan

STAGE2 = "stackgan, stage 2"
CASES = (*FACTS, STAGE2)
SMALL = {"ngf": 4, "ndf": 4, "z_dim": 6, "c_dim": 5, "dense_depth": 1, "dense_growth": 4, "pyramid": "none"}
WORDS, VOCABULARY = 5, 30
CLASSES = [5, 5, 2, 9]
WRONG = [2, 2, 3, 0]  # by hand, for CLASSES: the next sample, but for the first its class's other one


def settings_of(case: str, **settings) -> dict:
    """The family's own settings at the smallest sizes, S = 64 where it can, batch 4."""
    family = case.split(",")[0]
    small = {name: value for name, value in SMALL.items() if reads(family, name)}
    size = {"image_size": 256, "stage": 2, "init_from": "stage1"} if case == STAGE2 else {"image_size": 64}
    return {"family": family, **small, **size, "batch": 4, "max_words": WORDS, **settings}


def make_gan(case: str, **settings) -> Gan:
    """A training state of random weights; stage 2's first stage, too."""
    config = TrainConfig.of_given(**settings_of(case, **settings))
    return Gan(config, build.build_text_encoder(VOCABULARY, 1.0, config.schedule.seed))


def make_batch(config: TrainConfig, seed: int = 0) -> dict[str, tf.Tensor]:
    """What the pipeline would give of four random images."""
    random, count, side = np.random.default_rng(seed), config.text.captions_mean, config.model.image_size
    captions = (4,) if count == 1 else (4, count)
    return {
        "image": tf.constant(random.integers(0, 256, (4, side, side, 3), np.uint8)),
        "tokens": tf.constant(random.integers(1, VOCABULARY, (*captions, WORDS)), tf.int32),
        "lengths": tf.constant(random.integers(1, WORDS + 1, captions), tf.int32),
        "classes": tf.constant(CLASSES),
        "noise": tf.constant(random.normal(size=(4, noise_numbers(config))), tf.float32),
    }


def values(variables) -> list[np.ndarray]:
    """As arrays."""
    return [variable.numpy() for variable in variables]


def changed(before: list[np.ndarray], variables) -> list[bool]:
    """Which of the variables are no longer what they were."""
    return [not np.array_equal(old, new.numpy()) for old, new in zip(before, variables)]
