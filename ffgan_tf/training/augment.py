"""Differentiable augmentation (Zhao et al. 2020) and blur of the images that D sees.

Nothing is drawn here: the caller passes the random numbers, so that real images and fakes, and a continued run, get
the same augmentation again.
"""

import tensorflow as tf

from ffgan_tf.config.train import LossConfig

KINDS = {"translation": 2, "cutout": 2, "colour": 3}  # random numbers that each takes for an image
SHIFT, HOLE = 1 / 8, 1 / 2  # of the side: largest translation, side of the cut square


def numbers_for(kinds: tuple[str, ...]) -> int:
    """The number of random numbers that an image needs."""
    return sum(KINDS[kind] for kind in kinds)


def augmented(images: tf.Tensor, uniform: tf.Tensor, kinds: tuple[str, ...]) -> tf.Tensor:
    """Images (B, S, S, 3) in [−1, 1], `uniform` (B, numbers_for(kinds)) in [0, 1) → the same shape and type.

    The order is always colour, translation, cutout. Colour: brightness by ±0.5, saturation by a factor of 0 to 2,
    contrast by 0.5 to 1.5. Translation: up to S/8 pixels in each direction, filled with 0 (grey). Cutout: a square of
    side S/2 becomes 0; its centre is anywhere in the image.
    """
    size, dtype = images.shape[1], images.dtype
    parts = dict(zip(kinds, tf.split(tf.cast(uniform, tf.float32), [KINDS[kind] for kind in kinds], axis=1)))
    if "colour" in parts:
        brightness, saturation, contrast = (
            tf.cast(value, dtype)[:, None, None, :] for value in tf.split(parts["colour"], 3, axis=1)
        )
        images = images + (brightness - 0.5)
        grey = tf.reduce_mean(images, axis=3, keepdims=True)
        images = grey + 2 * saturation * (images - grey)
        mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
        images = mean + (0.5 + contrast) * (images - mean)
    pixel = tf.range(size)
    if "translation" in parts:
        largest = int(size * SHIFT + 0.5)
        shift = tf.cast(tf.floor(parts["translation"] * (2 * largest + 1)), tf.int32) - largest
        # Permutation matrices move whole rows and columns: cheaper than a gather and its gradient.
        rows, columns = (
            tf.cast(pixel[None, None, :] == pixel[None, :, None] + shift[:, i, None, None], dtype) for i in (0, 1)
        )
        images = tf.einsum("brs,bsct->brct", rows, images)
        images = tf.einsum("bcs,brst->brct", columns, images)
    if "cutout" in parts:
        hole = int(size * HOLE + 0.5)
        centre = tf.cast(tf.floor(parts["cutout"] * (size + 1 - hole % 2)), tf.int32)
        start = centre - hole // 2
        inside = [(pixel[None] >= start[:, i, None]) & (pixel[None] < start[:, i, None] + hole) for i in (0, 1)]
        images = tf.where((inside[0][:, :, None] & inside[1][:, None, :])[..., None], tf.zeros([], dtype), images)
    return images


def blurred(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Images (B, S, S, C) after a Gaussian blur with a standard deviation of `sigma` pixels (a scalar; 0: unchanged).

    At the edges the kernel is cut off and normalised to a sum of 1, so that a constant image stays constant.
    """
    pixel = tf.range(images.shape[1], dtype=tf.float32)
    distance = (pixel[:, None] - pixel[None, :]) / tf.maximum(tf.cast(sigma, tf.float32), 1e-3)
    weights = tf.exp(-0.5 * tf.square(distance))
    weights = tf.cast(weights / tf.reduce_sum(weights, axis=1, keepdims=True), images.dtype)
    return tf.einsum("cs,brst->brct", weights, tf.einsum("rs,bsct->brct", weights, images))


def shown_to_d(images: tf.Tensor, uniform: tf.Tensor, config: LossConfig, step: tf.Variable | tf.Tensor) -> tf.Tensor:
    """Images (B, S, S, 3) as D sees them at a step: after `--d_blur`, then `--augment` with `uniform` (B, ·)."""
    if config.d_blur:
        share = tf.maximum(1 - tf.cast(step, tf.float32) / config.d_blur_steps, 0)  # falls linearly to 0
        images = blurred(images, share * config.d_blur * images.shape[1] / 64)
    return augmented(images, uniform, config.augmentations) if config.augmentations else images
