"""uint8 ↔ [−1, 1], the range of both networks' images."""

from typing import Any

import numpy as np


def to_unit(images: Any) -> Any:
    """uint8 images, an array or a tensor → tensor float32 in [−1, 1]."""
    import tensorflow as tf  # here, because what only writes images does not need it

    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images in [−1, 1] → uint8, rounded to the nearest of 256 levels and clipped."""
    return np.clip(np.rint((np.asarray(images, np.float32) + 1) * 127.5), 0, 255).astype(np.uint8)
