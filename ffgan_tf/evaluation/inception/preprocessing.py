"""Input images of an Inception network: five recipes, each behind published scores.

A recipe is a resize to 299×299 and a scaling. FIDs with different resizes do not compare (Parmar et al. 2022), so each
recipe has a name, which every report states.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from ffgan_tf.evaluation.inception.graph import SIZE


def _axis_weights(size: int, half_pixel: bool) -> np.ndarray:
    """[SIZE, size] weights of bilinear interpolation along one axis, float64.

    With aligned corners the step is rounded to float32 as in TensorFlow 1; torch-fidelity does so in float64, too.
    """
    at = np.arange(SIZE, dtype=np.float64)
    at = (at + 0.5) * (size / SIZE) - 0.5 if half_pixel else at * np.float64(np.float32(size / SIZE))
    at = np.clip(at, 0, size - 1)
    low = np.floor(at).astype(int)
    weights = np.zeros((SIZE, size))
    weights[np.arange(SIZE), low] = 1 - (at - low)
    weights[np.arange(SIZE), np.minimum(low + 1, size - 1)] += at - low
    return weights


def bilinear_float64(images: np.ndarray, half_pixel: bool) -> np.ndarray:
    """Bilinear resize of [N, H, W, 3] to 299×299 in float64; ResizeBilinear has float32 only."""
    rows, columns = (_axis_weights(size, half_pixel) for size in images.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float64), columns, optimize=True)


def _bilinear(images: np.ndarray, dtype: str, half_pixel: bool) -> tf.Tensor | np.ndarray:
    if dtype == "float64":
        return bilinear_float64(images, half_pixel)
    return tf.raw_ops.ResizeBilinear(images=images, size=(SIZE, SIZE), half_pixel_centers=half_pixel)


def _antialiased(images: np.ndarray, dtype: str) -> tf.Tensor:
    return tf.image.resize(images, (SIZE, SIZE), "bilinear", antialias=True)


def _pil_bilinear(images: np.ndarray, dtype: str) -> np.ndarray:
    size = (SIZE, SIZE)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images])


def _pil_bicubic_float(images: np.ndarray, dtype: str) -> np.ndarray:
    """clean-fid's resize: each channel as a float image, so that nothing is rounded; clipped to [0, 255]."""
    resized = [
        np.stack(
            [
                np.asarray(Image.fromarray(plane.astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
                for plane in image.transpose(2, 0, 1)
            ],
            -1,
        )
        for image in images
    ]
    return np.clip(np.stack(resized), 0, 255)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """`resize` takes (uint8 [N, H, W, 3], "float32" or "float64") to [N, 299, 299, 3] in [0, 255].

    The network sees (x − centre) / scale. `name` describes the resize.
    """

    name: str
    resize: Callable
    centre: float
    scale: float

    def __call__(self, images: np.ndarray, dtype: str) -> tf.Tensor:
        """uint8 [N, H, W, 3] → network input [N, 299, 299, 3], float32 or float64 as `dtype` says.

        Only the two plain bilinear resizes, which have a float64 reference, are float64 throughout.
        """
        return (tf.cast(self.resize(images, dtype), dtype) - self.centre) / self.scale


PREPROCESSING = {
    # The 2015 graph's own, and so TTUR's and torch-fidelity's.
    "tf1": Preprocessing(
        "TF1 ResizeBilinear (corners, no antialiasing) to 299", functools.partial(_bilinear, half_pixel=False), 128, 128
    ),
    # pytorch-fid: F.interpolate(mode="bilinear", align_corners=False), then 2x − 1 with x in [0, 1].
    "pytorch_fid": Preprocessing(
        "bilinear (pixel centres, no antialiasing) to 299", functools.partial(_bilinear, half_pixel=True), 127.5, 127.5
    ),
    "clean": Preprocessing("PIL bicubic in float (antialiased) to 299", _pil_bicubic_float, 128, 128),
    # StackGAN's scipy.misc.imresize, which was PIL on uint8.
    "stackgan": Preprocessing("PIL bilinear in uint8 (antialiased) to 299", _pil_bilinear, 127.5, 127.5),
    # Keras publishes the scaling but no resize; this one is ours, antialiased, as Parmar et al. recommend.
    "keras": Preprocessing("tf.image.resize bilinear (antialiased) to 299", _antialiased, 127.5, 127.5),
}
