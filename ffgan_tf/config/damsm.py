"""Settings of the text encoder's training, DAMSM (docs/model.md section 9)."""

import dataclasses
from typing import ClassVar

from ffgan_tf.config.fields import Settings, group, setting
from ffgan_tf.config.shared import INT32, LARGEST_RATE, AdamConfig, CaptionConfig, ScheduleConfig


@dataclasses.dataclass(frozen=True)
class DamsmImageConfig:
    """The image encoder and its images."""

    image_trunk: str = setting(
        "inception",
        "Trunk of the image encoder: Inception-v3, frozen, as published; or a "
        "small network trained with the rest, which needs no weights file.",
        choices=("inception", "small"),
        old_name="image_encoder",
    )
    trunk_weights: str = setting(
        "imagenet",
        "Weights of Keras's InceptionV3 without its top (..._notop.h5), for --image_trunk=inception: a file, or "
        "imagenet for the one in Keras's cache.",
        resumable=True,
        old_name="inception_weights",
    )
    image_size: int = setting(256, "Side S of the images' crops in pixels.", choices=(64, 128, 256))
    cache_features: bool = setting(
        True,
        "Run Inception once, over every image's centre crop and its mirror image, and keep its features on disk; an "
        "epoch then costs the heads and the LSTM alone. Off runs it every step, on random crops.",
    )
    cache_dir: str = setting(
        "~/.cache/ffgan_tf/damsm",
        "Folder for the features that --cache_features keeps: 0.9 MB per training image.",
        resumable=True,
    )


@dataclasses.dataclass(frozen=True)
class DamsmTextConfig(CaptionConfig):
    """The text encoder and its captions."""

    text_init_range: float = setting(0.1, "Range r of the text encoder's first embeddings, U(-r, r).", low=0, high=1000)


@dataclasses.dataclass(frozen=True)
class DamsmOptimiserConfig(AdamConfig):
    """Adam, and its learning rate by epoch."""

    lr: float = setting(2e-3, "Adam's learning rate in the first epoch.", low=0, high=LARGEST_RATE)
    lr_decay: float = setting(0.98, "Factor of the learning rate after every epoch.", low=0, high=1)
    lr_floor: float = setting(0.1, "Share of --lr below which the learning rate does not fall.", low=0, high=1)
    fresh_adam: bool = setting(
        False,
        "Start a new Adam at each epoch, without moments and count of steps, as AttnGAN's code does. Where an epoch "
        "has few steps, most are then the first ones of an Adam, which are all as large as the learning rate.",
    )
    rnn_clip: float = setting(0.25, "Largest norm of the text encoder's gradient.", low=0, high=LARGEST_RATE)


@dataclasses.dataclass(frozen=True)
class DamsmLossConfig:
    """The four matching losses."""

    gamma1: float = setting(4.0, "Sharpness of a word's attention over the image's regions.", low=0, high=10_000)
    gamma2: float = setting(5.0, "Weight of the best words in an image-caption score.", low=0, high=10_000)
    gamma3: float = setting(10.0, "Sharpness of the cross-entropies over a batch.", low=0, high=10_000)


@dataclasses.dataclass(frozen=True)
class DamsmScheduleConfig(ScheduleConfig):
    """How long to train, and how often to validate and report."""

    batch: int = setting(48, "Image-caption pairs in a step.", low=2, high=65536)
    validate_every: int = setting(
        200,
        "Steps between two validations on the test split; each saves a checkpoint, and the best encoders are kept.",
        low=1,
        high=INT32,
        resumable=True,
    )
    best_by: str = setting(
        "r_precision",
        "Score that decides which validation is the best. Use loss where captions fit their images "
        "only loosely and R-precision stays near chance.",
        choices=("r_precision", "loss"),
        resumable=True,
    )
    colour_labels: str = setting(
        "",
        "CSV file of the test images' colours, for measuring colour retrieval at validation; empty skips it.",
        resumable=True,
    )
    attention_images: int = setting(
        6,
        "Test images in the sheet of word attention maps.",
        low=1,
        high=32,
        resumable=True,
        old_name="attention_pictures",
    )


@dataclasses.dataclass(frozen=True)
class DamsmConfig(Settings):
    """The settings of one training run of DAMSM, the text and image encoders, in groups: `DamsmConfig.of(batch=48)`."""

    kind: ClassVar[str] = "damsm"
    command: ClassVar[str] = "ffgan_tf.train_damsm"

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
    images: DamsmImageConfig = group(DamsmImageConfig, "image encoder")
    text: DamsmTextConfig = group(DamsmTextConfig, "text encoder and captions")
    losses: DamsmLossConfig = group(DamsmLossConfig, "losses")
    optimisers: DamsmOptimiserConfig = group(DamsmOptimiserConfig, "optimiser")
    schedule: DamsmScheduleConfig = group(DamsmScheduleConfig, "schedule")
