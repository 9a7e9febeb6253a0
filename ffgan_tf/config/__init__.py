"""Settings: declared once as fields of frozen dataclasses, in groups; set by absl flags; kept with the run as JSON.

`fields` declares, `model`, `train` and `damsm` are the settings, `checks` says what contradicts what, `flags` makes the
command line of them. What a run's folder keeps of them is `ffgan_tf.run.settings`'s.
"""

from ffgan_tf.config.damsm import DamsmConfig
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.config.train import TrainConfig

__all__ = ["DamsmConfig", "ModelConfig", "TrainConfig"]
