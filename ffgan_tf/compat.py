"""What depends on the versions of TensorFlow, Keras and tensorflow-addons, or reaches into their private parts."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from ffgan_tf.utils.errors import UserError


def require_addons(feature: str):
    """Returns the `tensorflow_addons` module, or raises a UserError that names the `feature` that needs it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its end-of-life notice, on every import
            import tensorflow_addons as tfa
    except ImportError as error:
        raise UserError(
            f"{feature} is built on tensorflow-addons, which is not installed here (it exists for TensorFlow up to "
            "2.15, Python 3.10 and 3.11). Fix: use that stack (requirements.txt), or choose another setting."
        ) from error
    return tfa


@contextlib.contextmanager
def plain_lstm(*layers: Any) -> Iterator[None]:
    """Keras's LSTM `layers`, called inside, are traced as the plain loop over the words alone.

    Keras otherwise traces each a second time for cuDNN, with its gradient, and lets the graph choose when it runs: a
    second of start-up. Only for machines without a GPU, and for graphs that are only run forwards.
    """
    before = [layer._could_use_gpu_kernel for layer in layers]
    for layer in layers:
        layer._could_use_gpu_kernel = False
    try:
        yield
    finally:
        for layer, value in zip(layers, before):
            layer._could_use_gpu_kernel = value


def require_keras_2(keras: Any) -> None:
    """Raises UserError where `tf.keras` is Keras 3: TensorFlow 2.16 or later was imported before ffgan_tf."""
    version = getattr(keras, "__version__", "2")  # Keras 2's API module has none
    if int(version.split(".")[0]) >= 3:
        raise UserError(
            f"tf.keras is Keras {version}, and this code is written to Keras 2 (tf-keras): TensorFlow was imported and "
            "its Keras used before ffgan_tf. Fix: import ffgan_tf first, or set TF_USE_LEGACY_KERAS=1 in the "
            "environment."
        )
