"""The families of networks (`--family`): FF-GAN and those that it is compared with (docs/families.md).

Each has a file of its own; `ffgan_tf.config.families` has the facts that need no network.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.config.families import FACTS, FamilyFacts
from ffgan_tf.models.discriminator import Discriminator
from ffgan_tf.models.families import attngan, dfgan, gan_int_cls, stackgan, stackgan_v2
from ffgan_tf.models.generator import Generator

__all__ = ["FAMILIES", "Family", "attngan", "dfgan", "gan_int_cls", "stackgan", "stackgan_v2"]

TAILS = {256: 2, 128: 1}  # AttnGAN's: conv3×3 layers behind the stride-2 ones, by the side of the images


class Family(NamedTuple):
    """A family: `generator(config, sync)` and `discriminators(config, sync)`, one for each of `config.sizes`, small to
    large, without their variables (`models.build` makes those); `facts`."""

    generator: Callable[[ModelConfig, bool], tf.keras.Model]
    discriminators: Callable[[ModelConfig, bool], list[tf.keras.Model]]
    facts: FamilyFacts

    @staticmethod
    def sizes(config: ModelConfig) -> tuple[int, ...]:
        """Sides of the generator's images, small to large."""
        return config.sizes


def attngan_discriminators(config: ModelConfig, sync: bool, unconditional: bool = True) -> list[tf.keras.Model]:
    """AttnGAN's and StackGAN++'s: one for each image. Only the largest image's is called `discriminator`."""
    return [
        Discriminator(config, sync, size, TAILS.get(size, 0), unconditional, name=name_of(size, config))
        for size in config.sizes
    ]


def ffgan_generator(config: ModelConfig, sync: bool) -> tf.keras.Model:
    """The paper's generator."""
    return Generator(config, sync, name="generator")


def ffgan_discriminators(config: ModelConfig, sync: bool) -> list[tf.keras.Model]:
    """The paper's D at S, with both conv3×3 at any S; below it, with `--discriminators=3`, AttnGAN's."""
    return [*attngan_discriminators(config, sync)[:-1], Discriminator(config, sync, name="discriminator")]


def name_of(size: int, config: ModelConfig) -> str:
    """A discriminator's name."""
    return "discriminator" if size == config.image_size else f"discriminator_{size}"


def _one(make: Callable[[ModelConfig, bool], tf.keras.Model]) -> Callable[[ModelConfig, bool], list[tf.keras.Model]]:
    return lambda config, sync: [make(config, sync)]


FAMILIES: dict[str, Family] = {
    "ffgan": Family(ffgan_generator, ffgan_discriminators, FACTS["ffgan"]),
    "gan_int_cls": Family(gan_int_cls.generator, _one(gan_int_cls.discriminator), FACTS["gan_int_cls"]),
    "stackgan": Family(stackgan.generator, _one(stackgan.discriminator), FACTS["stackgan"]),
    "stackgan_v2": Family(stackgan_v2.generator, attngan_discriminators, FACTS["stackgan_v2"]),
    "attngan": Family(attngan.generator, attngan_discriminators, FACTS["attngan"]),
    "attndcgan": Family(
        attngan.dcgan_generator,
        lambda config, sync: attngan_discriminators(config, sync, unconditional=False),
        FACTS["attndcgan"],
    ),
    "resfpa": Family(stackgan_v2.resfpa_generator, attngan_discriminators, FACTS["resfpa"]),
    "dfgan": Family(dfgan.generator, _one(dfgan.discriminator), FACTS["dfgan"]),
}
assert FAMILIES.keys() == FACTS.keys()
