"""Settings of the text encoder's training (spec section 9; declared as in `config.py`)."""

import dataclasses

from ffgan_tf.config import setting


@dataclasses.dataclass(frozen=True)
class DamsmConfig:
    """One run of DAMSM: text and image encoder, losses, loop."""

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
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
    max_words: int = setting(
        18, "Words T a training caption may have; a longer one keeps a random subset in order.", low=1
    )
    batch: int = setting(48, "Pairs a step.", low=2)
    epochs: int = setting(600, "Passes over the training images.", low=1, resumable=True)
    steps: int = setting(0, "Steps to train; 0: as many as --epochs gives.", low=0, resumable=True)
    lr: float = setting(2e-3, "Adam's learning rate at the start.", low=0)
    lr_decay: float = setting(0.98, "What it is multiplied by after every epoch.", low=0, high=1)
    lr_floor: float = setting(0.1, "It falls no further than to this share of --lr.", low=0, high=1)
    beta1: float = setting(0.5, "Adam's beta 1.", low=0, high=1)
    beta2: float = setting(0.999, "Adam's beta 2.", low=0, high=1)
    adam_epsilon: float = setting(1e-8, "Adam's epsilon.", low=0)
    rnn_clip: float = setting(0.25, "Largest norm of the text encoder's gradient.", low=0)
    gamma1: float = setting(4.0, "Sharpness of a word's attention over regions.", low=0)
    gamma2: float = setting(5.0, "Weight of the best words in an image-caption score.", low=0)
    gamma3: float = setting(10.0, "Sharpness of the batch's cross-entropies.", low=0)
    text_init_range: float = setting(0.1, "Range of the first embeddings, U(-r, r).", low=0)
    seed: int = setting(1, "Everything random is a function of this number and the step.", low=0)
    colour_labels: str = setting(
        "", "CSV of the images' colours: validation then measures colour retrieval, too.", resumable=True
    )
    max_minutes: float = setting(
        0, "Save and stop after so many minutes of this process; 0: no limit.", low=0, resumable=True
    )
    log_every: int = setting(20, "Steps between status and TensorBoard scalars.", low=1, resumable=True)
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
    keep_checkpoints: int = setting(3, "Newest checkpoints to keep.", low=1, resumable=True)
    attention_images: int = setting(6, "Test images in the attention sheet.", low=1, high=32, resumable=True)
