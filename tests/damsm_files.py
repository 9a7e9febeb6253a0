"""A run of train_damsm for tests, untrained."""

from pathlib import Path

import numpy as np
from networks import shake

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.image_encoder import Heads, SmallTrunk
from ffgan_tf.run.encoder_files import save_image_encoder, save_text_encoder


def make_damsm(folder: Path, vocabulary: Vocabulary, seed: int = 1) -> Path:
    """Writes text_encoder and image_encoder, with a small trunk for 64 px, as evaluation and the GAN read them."""
    heads, trunk = Heads(seed=seed, name="heads"), SmallTrunk(64, seed=seed, name="trunk")
    heads(*trunk(np.zeros((1, 64, 64, 3), np.float32)))
    shake(heads, seed), shake(trunk, seed)
    save_text_encoder(folder / "text_encoder", build.build_text_encoder(len(vocabulary), 1.0, seed), vocabulary, {})
    save_image_encoder(folder / "image_encoder", heads, trunk, folder / "text_encoder", {"step": seed})
    return folder
