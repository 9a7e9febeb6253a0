"""Settings: declared once as fields of frozen dataclasses, in groups; set by absl flags; kept with the run as JSON.

`fields` declares settings, `model`, `train` and `damsm` list them, `checks` finds contradictions, `flags` builds the
command line. `ffgan_tf.run.settings` stores them in a run's folder.
"""

from ffgan_tf.config.damsm import DamsmConfig
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.config.train import TrainConfig

__all__ = ["DamsmConfig", "ModelConfig", "TrainConfig"]
