"""How pictures reach an Inception network: five recipes, each one somebody's published figures.

A recipe is a resize to 299×299 and a scaling. FIDs whose resizes differ do not compare (Parmar et al. 2022), so each
recipe has a name, and the name is in every report.
"""

import dataclasses
import functools
from typing import Callable

import numpy as np
import tensorflow as tf
from PIL import Image

from ffgan_tf.metrics.inception_graph import SIZE


def _axis_weights(size: int, half_pixel: bool) -> np.ndarray:
    """[SIZE, size] weights of bilinear interpolation along one axis, float64, on TensorFlow's float32 step."""
    at = np.arange(SIZE, dtype=np.float64)
    step = np.float64(np.float32(size / SIZE))
    at = (at + 0.5) * step - 0.5 if half_pixel else at * step
    at = np.clip(at, 0, size - 1)
    low = np.floor(at).astype(int)
    weights = np.zeros((SIZE, size))
    weights[np.arange(SIZE), low] = 1 - (at - low)
    weights[np.arange(SIZE), np.minimum(low + 1, size - 1)] += at - low
    return weights


def bilinear_float64(images: np.ndarray, half_pixel: bool) -> np.ndarray:
    """Bilinear resize of [N, H, W, 3] to 299×299 in float64: what ResizeBilinear, which has float32 only, rounds."""
    rows, columns = (_axis_weights(size, half_pixel) for size in images.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float64), columns, optimize=True)


def _resize_bilinear(half_pixel: bool) -> Callable:
    def resize(images):
        return tf.raw_ops.ResizeBilinear(images=images, size=(SIZE, SIZE), align_corners=False,
                                         half_pixel_centers=half_pixel)  # float32 out, whatever comes in
    return resize


def _pil_bilinear(images: np.ndarray) -> np.ndarray:
    size = (SIZE, SIZE)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images])


def _pil_bicubic_float(images: np.ndarray) -> np.ndarray:
    """clean-fid's: each channel as a float image, so that nothing is rounded; clipped to [0, 255]."""
    resized = [np.stack([np.asarray(Image.fromarray(plane.astype(np.float32)).resize(
        (SIZE, SIZE), Image.Resampling.BICUBIC)) for plane in image.transpose(2, 0, 1)], -1) for image in images]
    return np.clip(np.stack(resized), 0, 255)


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """`host` works on NumPy images before the graph, `graph` on tensors in it; one of them resizes to 299×299.

    `centre`, `scale`: the network sees (x − centre) / scale. `half_pixel` marks the two plain bilinear recipes, whose
    float64 form is `bilinear_float64`.
    """

    resize: str
    centre: float
    scale: float
    host: Callable | None = None
    graph: Callable | None = None
    half_pixel: bool | None = None

    def on_host(self, images: np.ndarray, dtype: str) -> np.ndarray:
        """uint8 [N, H, W, 3] → what the graph takes."""
        if dtype == "float64" and self.half_pixel is not None:
            return bilinear_float64(images, self.half_pixel)
        return self.host(images) if self.host else images

    def in_graph(self, images: tf.Tensor, dtype: str) -> tf.Tensor:
        """What `on_host` returned → network input [B, 299, 299, 3] in `dtype`."""
        wide = tf.float64 if dtype == "float64" else tf.float32
        if self.graph and images.dtype != tf.float64:
            images = self.graph(images)
        return tf.cast((tf.cast(images, wide) - self.centre) / self.scale, dtype)


PREPROCESSING = {
    # The 2015 graph's own, and so TTUR's and torch-fidelity's: top-left corners, no antialiasing.
    "tf1": Preprocessing("TF1 ResizeBilinear (corners, no antialiasing) to 299", 128, 128,
                         graph=_resize_bilinear(False), half_pixel=False),
    # pytorch-fid: F.interpolate(mode="bilinear", align_corners=False), then 2x − 1 with x in [0, 1].
    "pytorch_fid": Preprocessing("bilinear (pixel centres, no antialiasing) to 299", 127.5, 127.5,
                                 graph=_resize_bilinear(True), half_pixel=True),
    "clean": Preprocessing("PIL bicubic in float (antialiased) to 299", 128, 128, host=_pil_bicubic_float),
    # StackGAN's scipy.misc.imresize, which was PIL on uint8.
    "stackgan": Preprocessing("PIL bilinear in uint8 (antialiased) to 299", 127.5, 127.5, host=_pil_bilinear),
    # Keras publishes the scaling but no resize; this one is ours, antialiased as Parmar et al. advise.
    "keras": Preprocessing("tf.image.resize bilinear (antialiased) to 299", 127.5, 127.5, graph=functools.partial(
        tf.image.resize, size=(SIZE, SIZE), method="bilinear", antialias=True)),
}
