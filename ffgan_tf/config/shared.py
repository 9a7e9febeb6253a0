"""Settings that both trainings have."""

import dataclasses

from ffgan_tf.config.fields import setting


@dataclasses.dataclass(frozen=True)
class AdamConfig:
    """Adam's settings but for its learning rates."""

    beta1: float = setting(0.5, "Adam's beta 1, of all networks.", low=0, high=1)
    beta2: float = setting(0.999, "Adam's beta 2, of all networks.", low=0, high=1)
    adam_epsilon: float = setting(1e-8, "Adam's epsilon, of all networks.", low=0)


@dataclasses.dataclass(frozen=True)
class ScheduleConfig:
    """How long to train, and what is due when."""

    batch: int = setting(20, "Images a step, over all devices.", low=2)
    epochs: int = setting(600, "Passes over the training images.", low=1, resumable=True)
    steps: int = setting(0, "Steps to train; 0: as many as --epochs gives.", low=0, resumable=True)
    seed: int = setting(1, "Everything random is a function of this number and the step.", low=0)
    max_minutes: float = setting(
        0, "Save and stop after so many minutes of this process; 0: no limit.", low=0, resumable=True
    )
    log_every: int = setting(20, "Steps between status and TensorBoard scalars.", low=1, resumable=True)
    keep_checkpoints: int = setting(3, "Newest checkpoints to keep.", low=1, resumable=True)
