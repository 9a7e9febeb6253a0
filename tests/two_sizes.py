"""Two generators, one of twice the other's S, and what they read: for tests of what the larger one begins with."""

import dataclasses

import tensorflow as tf
from networks import uneven

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generator
from ffgan_tf.training.doubling import Texts

SENTENCES, T = 24, 5
CONFIG = ModelConfig(
    image_size=64, ngf=4, ndf=4, c_dim=5, z_dim=6, dense_depth=1, dense_growth=4, pyramid="none", lateral="bilinear",
    edges="repeat", attention_query="f2f",
)  # fmt: skip


def texts(config: ModelConfig) -> Texts:
    def normal(*shape):
        return tf.random.stateless_normal((SENTENCES, *shape), (1, sum(shape)))

    mask = tf.sequence_mask(1 + tf.range(SENTENCES) % T, T)
    return Texts(
        normal(build.TEXT_DIM), normal(T, build.TEXT_DIM), mask, normal(config.z_dim), normal(config.epsilon_dim)
    )


def pair(size: int, larger: dict, **settings) -> tuple[Generator, Generator]:
    """One of S = `size` and one twice as large (unless told), with the same first stage but for the last up."""
    config = dataclasses.replace(CONFIG, image_size=size, **settings)
    small = build.build_generator(config)
    large = build.build_generator(dataclasses.replace(config, **{"image_size": 2 * size, **larger}))
    for seed, generator in enumerate((small, large)):
        uneven(generator, seed)
    for name in ("augment", "stage1"):
        weights = {variable.name: variable for variable in getattr(small, name).variables}
        for variable in getattr(large, name).variables:
            if variable.name in weights and weights[variable.name].shape == variable.shape:
                variable.assign(weights[variable.name])
    return small, large
