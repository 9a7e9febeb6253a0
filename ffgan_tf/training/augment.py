"""Differentiable augmentation of the discriminator's images (Zhao et al. 2020), a function of its random numbers."""

import tensorflow as tf

from ffgan_tf.config.train import LossConfig

KINDS = {"translation": 2, "cutout": 2, "colour": 3}  # random numbers an image that each takes
SHIFT, HOLE = 1 / 8, 1 / 2  # of the side: largest translation, side of the cut square


def numbers_for(kinds: tuple[str, ...]) -> int:
    """Random numbers that an image needs."""
    return sum(KINDS[kind] for kind in kinds)


def augmented(images: tf.Tensor, uniform: tf.Tensor, kinds: tuple[str, ...]) -> tf.Tensor:
    """Images (B, S, S, 3) in [−1, 1], `uniform` (B, numbers_for(kinds)) in [0, 1) → the same shape and type.

    Always in the order colour, translation, cutout. colour: brightness by ±0.5, saturation by 0 to 2, contrast by 0.5
    to 1.5. translation: by up to S/8 pixels each way, filled with 0 (grey). cutout: a square of S/2 is 0, its centre
    anywhere in the image.
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
    place = tf.range(size)
    if "translation" in parts:
        most = int(size * SHIFT + 0.5)
        shift = tf.cast(tf.floor(parts["translation"] * (2 * most + 1)), tf.int32) - most
        # Matrices that move whole rows and columns: cheaper than a gather and its gradient.
        rows, columns = (
            tf.cast(place[None, None, :] == place[None, :, None] + shift[:, i, None, None], dtype) for i in (0, 1)
        )
        images = tf.einsum("brs,bsct->brct", rows, images)
        images = tf.einsum("bcs,brst->brct", columns, images)
    if "cutout" in parts:
        hole = int(size * HOLE + 0.5)
        centre = tf.cast(tf.floor(parts["cutout"] * (size + 1 - hole % 2)), tf.int32)
        start = centre - hole // 2
        inside = [(place[None] >= start[:, i, None]) & (place[None] < start[:, i, None] + hole) for i in (0, 1)]
        images = tf.where((inside[0][:, :, None] & inside[1][:, None, :])[..., None], tf.zeros([], dtype), images)
    return images


def blurred(images: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """Images (B, S, S, C) under a Gaussian blur of standard deviation `sigma` pixels (a scalar; 0: unchanged).

    Weights beyond the edge are left out and the others grow to a sum of 1, so that a constant image stays constant.
    """
    place = tf.range(images.shape[1], dtype=tf.float32)
    distance = (place[:, None] - place[None, :]) / tf.maximum(tf.cast(sigma, tf.float32), 1e-3)
    weights = tf.exp(-0.5 * tf.square(distance))
    weights = tf.cast(weights / tf.reduce_sum(weights, axis=1, keepdims=True), images.dtype)
    return tf.einsum("cs,brst->brct", weights, tf.einsum("rs,bsct->brct", weights, images))


def shown_to_d(images: tf.Tensor, uniform: tf.Tensor, config: LossConfig, step: tf.Variable | tf.Tensor) -> tf.Tensor:
    """Images (B, S, S, 3) as D sees them at a step: under `--d_blur`, then `--augment` by `uniform` (B, ·)."""
    if config.d_blur:
        left = tf.maximum(1 - tf.cast(step, tf.float32) / config.d_blur_steps, 0)
        images = blurred(images, left * config.d_blur * images.shape[1] / 64)
    return augmented(images, uniform, config.augmentations) if config.augmentations else images
