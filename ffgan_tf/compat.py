"""The one seam to tensorflow-addons, which exists for TensorFlow ≤ 2.15 only."""

import warnings

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
