"""Small networks and inputs for tests, with weights at which no part of a network is idle."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import build

D = build.TEXT_DIM


def tiny(**settings) -> ModelConfig:
    """The smallest widths, S = 64 unless told."""
    return ModelConfig(
        **{
            "image_size": 64,
            "ngf": 4,
            "ndf": 4,
            "z_dim": 5,
            "c_dim": 6,
            "dense_depth": 3,
            "dense_growth": 5,
            **settings,
        }
    )


def shake(model: tf.keras.layers.Layer, seed: int = 0) -> None:
    """Moves biases, batch-norm parameters and statistics away from 0 and 1, where mistakes would not show."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        name, shape = variable.name.split("/")[-1].split(":")[0], variable.shape
        if name == "moving_variance":
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif name in ("gamma", "beta", "bias", "moving_mean"):
            variable.assign_add(rng.normal(0, 0.2, shape).astype(variable.dtype.as_numpy_dtype))


def uneven(layer, seed: int) -> None:
    """γ, β and the statistics of batch norm, and a, b and c, as training leaves them."""
    random = np.random.default_rng(seed)
    for variable in layer.variables:
        if "kernel" not in variable.name:
            low, high = (0.5, 1.5) if "gamma" in variable.name or "variance" in variable.name else (-0.5, 0.5)
            variable.assign(random.uniform(low, high, variable.shape))


def made(make: Callable[[], tf.keras.layers.Layer], *inputs) -> tf.keras.layers.Layer:
    """A layer in float64, with its variables, shaken."""
    tf.keras.utils.set_random_seed(0)
    with build.precision_scope("float64"):
        layer = make()
        layer(*inputs)
    shake(layer)
    return layer


def generator(config: ModelConfig, precision: str = "float64") -> tf.keras.Model:
    """A shaken generator, the same at every call."""
    tf.keras.utils.set_random_seed(0)
    model = build.build_generator(config, precision)
    shake(model)
    return model


def discriminator(config: ModelConfig, precision: str = "float64") -> tf.keras.Model:
    """A shaken discriminator, the same at every call."""
    tf.keras.utils.set_random_seed(0)
    model = build.build_discriminator(config, precision)
    shake(model)
    return model


def generator_inputs(config: ModelConfig, lengths=(4, 2, 6), padding: int = 0, seed: int = 1) -> dict[str, np.ndarray]:
    """Random s, e, mask, z and ε, float64, one sample for each length. Words at padding are random, not zero."""
    rng = np.random.default_rng(seed)
    batch, longest = len(lengths), max(lengths)
    words = rng.normal(0, 0.5, (batch, longest, D))
    mask = np.arange(longest) < np.array(lengths)[:, None]
    sentence, noise = rng.normal(0, 0.5, (batch, D)), rng.normal(size=(batch, config.z_dim))
    epsilon = rng.normal(size=(batch, config.epsilon_dim))
    words = np.concatenate([words, rng.normal(0, 0.5, (batch, padding, D))], axis=1)
    mask = np.concatenate([mask, np.zeros((batch, padding), bool)], axis=1)
    return {"sentence": sentence, "words": words, "mask": mask, "noise": noise, "epsilon": epsilon}


def as_float32(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same inputs, masks untouched."""
    return {name: value if value.dtype == bool else np.float32(value) for name, value in inputs.items()}


def trainable_count(model: tf.keras.layers.Layer) -> int:
    """Numbers in the trainable weights."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def without_gradient(tape: tf.GradientTape, loss: tf.Tensor, model: tf.keras.layers.Layer) -> list[str]:
    """Names of the trainable weights that the loss does not reach, or reaches with all zeros or anything not finite."""
    weights = model.trainable_weights
    gradients = tape.gradient(loss, weights)
    return [
        weight.name
        for weight, gradient in zip(weights, gradients)
        if gradient is None or not np.any(gradient.numpy()) or not np.all(np.isfinite(gradient.numpy()))
    ]


def error(actual, wanted) -> float:
    """Root mean square of the difference beside that of what is wanted."""
    return float(np.sqrt(np.square(actual - wanted).mean() / np.square(wanted).mean()))
