"""Between a model file's tensors and the networks' variables."""

from collections.abc import Mapping
from os import PathLike

import numpy as np
import tensorflow as tf

from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run.encoder_files import weight_names, weights_of
from ffgan_tf.run.model_file import FIX
from ffgan_tf.utils.errors import UserError


def tensors_of(generator: tf.keras.Model, text_encoder: TextEncoder) -> dict[str, np.ndarray]:
    """Both networks' weights, by `generator/` or `text_encoder/` and their own names."""
    networks = {"generator": generator, "text_encoder": text_encoder}
    return {f"{key}/{name}": value for key, model in networks.items() for name, value in weights_of(model).items()}


def fill(
    generator: tf.keras.Model, text_encoder: TextEncoder, tensors: Mapping[str, np.ndarray], path: str | PathLike
) -> None:
    """Gives both networks the weights of a file. Raises UserError where names or shapes are not theirs."""
    left = dict(tensors)
    for prefix, model in (("generator", generator), ("text_encoder", text_encoder)):
        for name, variable in zip(weight_names(model), model.variables):
            value = left.pop(f"{prefix}/{name}", None)
            if value is None or value.shape != tuple(variable.shape):
                has = "is missing" if value is None else f"is {value.shape}, not {tuple(variable.shape)}"
                raise UserError(f"{path}: {prefix}/{name} {has}: it does not fit its settings. {FIX}")
            variable.assign(value)
    if left:
        raise UserError(f"{path}: {next(iter(left))} is none of the networks' weights. {FIX}")
