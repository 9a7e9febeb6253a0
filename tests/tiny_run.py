"""A run of tiny networks in whose images words and noise show, on the tiny data set's vocabulary."""

from pathlib import Path

import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generator
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints

STEP = 30


def make_run(folder: Path, data: Path, seed: int = 1) -> Generator:
    """A run's folder as training leaves it, but for the discriminator; returns its generator."""
    config = TrainConfig.of(
        image_size=64, ngf=4, z_dim=10, c_dim=12, pyramid="none", dense_depth=1, dense_growth=8, data=str(data)
    )
    settings.save(config, folder)
    vocabulary = Vocabulary.load(data / "vocabulary.json")
    vocabulary.save(folder / "vocabulary.json")
    tf.keras.utils.set_random_seed(seed)
    generator = build.build_generator(config.model)
    for variable in generator.variables:
        if "to_image" in variable.name or "project" in variable.name:
            variable.assign(8 * variable)
    encoder = build.build_text_encoder(len(vocabulary), 1.0, 1)
    Checkpoints(folder / "checkpoints").save(tf.train.Checkpoint(ema=generator, text_encoder=encoder), STEP)
    return generator
