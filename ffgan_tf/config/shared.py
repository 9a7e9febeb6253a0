"""Settings shared by both trainings."""

import dataclasses

from ffgan_tf.config.fields import setting

INT32 = 2**31 - 1  # the largest shape, step or seed in TensorFlow
LARGEST_RATE = 1e30  # larger than any useful rate, and finite in float32


@dataclasses.dataclass(frozen=True)
class CaptionConfig:
    """How captions become tokens."""

    max_words: int = setting(
        18,
        "Words T that a training caption may have; a longer one keeps a random subset in its order.",
        low=1,
        high=1000,
    )


@dataclasses.dataclass(frozen=True)
class AdamConfig:
    """Adam's settings except its learning rates."""

    beta1: float = setting(0.5, "Adam's beta 1, for every network that is trained.", low=0, high=1)
    beta2: float = setting(0.999, "Adam's beta 2, for every network that is trained.", low=0, high=1)
    adam_epsilon: float = setting(1e-8, "Adam's epsilon, for every network that is trained.", low=0, high=1)


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How long to train, and how often to report and save."""

    batch: int = setting(20, "Images in a step, over all devices.", low=2, high=65536)
    epochs: int = setting(600, "Passes over the training images.", low=1, high=1_000_000, resumable=True)
    steps: int = setting(0, "Steps to train; 0 trains as many as --epochs gives.", low=0, high=INT32, resumable=True)
    seed: int = setting(1, "Seed: everything random is a function of this number and the step.", low=0, high=INT32)
    max_minutes: float = setting(
        0,
        "Save and stop after this many minutes of this process; 0 sets no limit.",
        low=0,
        high=10_000_000,
        resumable=True,
    )
    log_every: int = setting(
        20, "Steps between two status lines; TensorBoard's scalars come with them.", low=1, high=INT32, resumable=True
    )
    keep_checkpoints: int = setting(
        3,
        "Newest checkpoints to keep; older ones are deleted, except the best.",
        low=1,
        high=1_000_000,
        resumable=True,
    )
