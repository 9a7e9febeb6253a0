"""A generator that begins with one of a smaller S draws that one's images, enlarged (`--init_from`).

Larger S means more ups at the end of stage 1, and these would be new: all that comes after them would read features
that it does not know. So they are given what the smaller generator does there, bilinearly enlarged, as progressive
growing (Karras et al. 2018) and Net2Net (Chen et al. 2016) keep a network's function when they add layers. For
generators without FF-GAN's laterals; with them, `doubling` does better.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from ffgan_tf.models import blocks
from ffgan_tf.models.generator import Stage1

SENTENCES, WORDS = 64, 12  # random ones, by which the new layers' maps are measured
BILINEAR = np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16  # after nearest ×2
NOTHING = np.outer([0, 1, 0], [0, 1, 0]).astype(np.float32)  # where --up_filter blurs afterwards
GATE = 0.1  # the spread of a gate that hardly acts: sigmoid(0.1) = 0.52


def grow(stage1: Stage1, smaller: Mapping[str, np.ndarray], x: tf.Tensor) -> None:
    """Makes the ups `stage1.tail` what `smaller`, the weights of a first stage with fewer of them, has in their place.

    `smaller` by their names in that stage: S = 64's `narrow` or S = 128's `up3`. `x` (B, 16, 16, 4ngf): what comes
    before the tail, of typical sentences; batch norm is set by what the layers make of it.
    """
    ups = list(stage1.tail)
    if "narrow/kernel" in smaller:
        matrix = smaller["narrow/kernel"][0, 0]
    else:
        x = widened(ups.pop(0), smaller, x)
        matrix = np.eye(x.shape[-1], smaller["up3/conv/kernel"].shape[-1] // 2, dtype=np.float32)
    for up in ups:
        x = _enlarging(up, matrix, x)
        matrix = np.eye(x.shape[-1], matrix.shape[1], dtype=np.float32)


def _enlarging(up: blocks.Up, matrix: np.ndarray, x: tf.Tensor) -> tf.Tensor:
    """Bilinear ×2 → 1×1 convolution by `matrix` (C, n) in the first n of the up's channels; returns the up's map.

    The other channels stay as they were drawn, but for the difference between even and odd pixels.
    """
    kernel = up.conv.kernel.numpy()
    n = matrix.shape[1]
    centre = kernel[1, 1].copy()
    centre[:, :n] = matrix
    up.conv.kernel.assign((NOTHING if up.smooth else BILINEAR)[:, :, None, None] * centre)
    through_gates(up, x, n)
    return up(x)


def through_gates(up: blocks.Up, x: tf.Tensor, n: int, bias: np.ndarray | float = 0.0) -> None:
    """Sets batch norm by what the up makes of x (B, H, W, C): the convolution's first n channels and a bias (n,) leave
    the up as they are, but for gates that hardly act."""
    mean, variance = _measured(up, x)
    gamma, beta = up.norm.gamma.numpy(), np.zeros_like(mean)
    width = len(gamma) // 2
    gamma[:n] = 2 * np.sqrt(variance[:n] + up.norm.epsilon)  # 2: half of it passes the gate
    beta[:n] = 2 * (mean[:n] + bias)
    gamma[width : width + n] = GATE
    up.norm.gamma.assign(gamma)
    up.norm.beta.assign(beta)


def widened(up: blocks.Up, smaller: Mapping[str, np.ndarray], x: tf.Tensor) -> tf.Tensor:
    """The smaller stage's up in the first channels and gates of this wider one; returns the up's map."""
    kernel = up.conv.kernel.numpy()
    theirs = smaller["up3/conv/kernel"]
    width, n = kernel.shape[-1] // 2, theirs.shape[-1] // 2
    kept = np.r_[0:n, width : width + n]
    kernel[..., kept] = theirs
    up.conv.kernel.assign(kernel)
    _measured(up, x)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        variable = getattr(up.norm, name)
        value = variable.numpy()
        value[kept] = smaller[f"up3/norm/{name}"]
        variable.assign(value)
    return up(x)


def _measured(up: blocks.Up, x: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of what the up's batch norm sees, a number each channel; they become its moving statistics."""
    y = up.conv(x)
    y = np.asarray(blocks.blur(y) if up.smooth else y, np.float64)
    mean, variance = (np.float32(value) for value in (y.mean((0, 1, 2)), y.var((0, 1, 2))))
    up.norm.moving_mean.assign(mean)
    up.norm.moving_variance.assign(variance)
    return mean, variance
