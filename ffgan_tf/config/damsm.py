"""Settings of the text encoder's training, DAMSM (docs/model.md section 9)."""

import dataclasses

from ffgan_tf.config.fields import Settings, group, setting
from ffgan_tf.config.shared import AdamConfig, ScheduleConfig


@dataclasses.dataclass(frozen=True)
class DamsmImageConfig:
    """The image encoder and its images."""

    image_encoder: str = setting(
        "inception",
        "The image encoder's trunk: Inception-v3, frozen, as published; or a "
        "small network trained with the rest, which needs no weights file.",
        choices=("inception", "small"),
    )
    inception_weights: str = setting(
        "imagenet",
        "Weights of Keras's InceptionV3 without its top (…_notop.h5): a file, or imagenet, the one in Keras's cache.",
        resumable=True,
    )
    image_size: int = setting(256, "S, the side of the images' crops in pixels.", choices=(64, 128, 256))
    cache_features: bool = setting(
        True,
        "Run Inception once, over every image's centre crop and its mirror image, "
        "and keep what it says on disk; an epoch then costs the heads and the LSTM alone. "
        "Off: run it every step, on random crops.",
    )
    cache_dir: str = setting(
        "~/.cache/ffgan_tf/damsm", "Where those features are kept: 0.9 MB a training image.", resumable=True
    )


@dataclasses.dataclass(frozen=True)
class DamsmTextConfig:
    """The text encoder and its captions."""

    max_words: int = setting(
        18, "Words T a training caption may have; a longer one keeps a random subset in order.", low=1
    )
    text_init_range: float = setting(0.1, "Range of the first embeddings, U(-r, r).", low=0)


@dataclasses.dataclass(frozen=True)
class DamsmOptimiserConfig(AdamConfig):
    """Adam, and its learning rate by epoch."""

    lr: float = setting(2e-3, "Adam's learning rate at the start.", low=0)
    lr_decay: float = setting(0.98, "What it is multiplied by after every epoch.", low=0, high=1)
    lr_floor: float = setting(0.1, "It falls no further than to this share of --lr.", low=0, high=1)
    rnn_clip: float = setting(0.25, "Largest norm of the text encoder's gradient.", low=0)


@dataclasses.dataclass(frozen=True)
class DamsmLossConfig:
    """The four matching losses."""

    gamma1: float = setting(4.0, "Sharpness of a word's attention over regions.", low=0)
    gamma2: float = setting(5.0, "Weight of the best words in an image-caption score.", low=0)
    gamma3: float = setting(10.0, "Sharpness of the batch's cross-entropies.", low=0)


@dataclasses.dataclass(frozen=True)
class DamsmScheduleConfig(ScheduleConfig):
    """How long to train, and what is due when."""

    batch: int = setting(48, "Pairs a step.", low=2)
    validate_every: int = setting(
        200,
        "Steps between validations on the test split; each saves a checkpoint, and the best encoders are kept.",
        low=1,
        resumable=True,
    )
    best_by: str = setting(
        "r_precision",
        "What makes a validation the best. The loss where captions fit their images "
        "loosely, so that R-precision stays near chance.",
        choices=("r_precision", "loss"),
        resumable=True,
    )
    colour_labels: str = setting(
        "", "CSV of the images' colours: validation then measures colour retrieval, too.", resumable=True
    )
    attention_images: int = setting(
        6, "Test images in the attention sheet.", low=1, high=32, resumable=True, old_name="attention_pictures"
    )


@dataclasses.dataclass(frozen=True)
class DamsmConfig(Settings):
    """The settings of one training run of DAMSM, the text and image encoders, in groups: `DamsmConfig.of(batch=48)`."""

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
    images: DamsmImageConfig = group(DamsmImageConfig, "image encoder")
    text: DamsmTextConfig = group(DamsmTextConfig, "text encoder and captions")
    losses: DamsmLossConfig = group(DamsmLossConfig, "losses")
    optimisers: DamsmOptimiserConfig = group(DamsmOptimiserConfig, "optimiser")
    schedule: DamsmScheduleConfig = group(DamsmScheduleConfig, "schedule")
