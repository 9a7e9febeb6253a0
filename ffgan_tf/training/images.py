"""Real images at the sizes of a generator's images."""

import tensorflow as tf

from ffgan_tf.models import blocks


def at_sizes(images: tf.Tensor, sizes: tuple[int, ...]) -> tuple[tf.Tensor, ...]:
    """Images (B, S, S, 3) as (B, s, s, 3) for each s of `sizes`, which divide S: means of squares of S/s pixels a side.

    The same crop at every size, as in StackGAN-v2 and AttnGAN. They resize by Pillow's antialiased bilinear filter;
    means of squares are antialiased too, and exact for halves.
    """
    return tuple(blocks.reduced(images, size) for size in sizes)
