"""Residual blocks in place of the paper's dense block (`--stage_block=residual`; docs/model.md section 3)."""

import tensorflow as tf

from ffgan_tf.models import blocks

COUNT = 2  # blocks, as in AttnGAN's stages


def hidden_width(channels: int, depth: int, growth: int) -> int:
    """Width h at which `COUNT` residual blocks on `channels` channels multiply as often as the dense block would.

    A pixel costs a dense block of C channels Σᵢ 9(C + i·g)·2g + (C + d·g)·C multiplications, i < d; a residual block
    9·C·2h + 9·h·C.
    """
    dense = sum(9 * (channels + i * growth) * 2 * growth for i in range(depth)) + (channels + depth * growth) * channels
    return max(1, round(dense / (COUNT * 27 * channels)))


class ResidualStack(tf.keras.layers.Layer):
    """Twice x + BN(conv3×3(GLU(BN(conv3×3(x) to 2h))) to C), at the cost of a `DenseBlock` of this depth and growth.

    A map (B, H, W, C') beside a vector (B, V) tiled over space → (B, H, W, C' + V). Zero-padded; with `edges`, the edge
    pixels are repeated instead.
    """

    def __init__(self, depth: int, growth: int, sync: bool = False, edges: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.depth, self.growth, self.sync, self.edges = depth, growth, sync, edges

    def build(self, input_shape):
        map_shape, vector_shape = input_shape
        channels = map_shape[-1] + vector_shape[-1]
        hidden = hidden_width(channels, self.depth, self.growth)
        padding = "valid" if self.edges else "same"
        self.first = blocks.VectorConv(2 * hidden, 3, self.edges, name="first")
        self.wide = [blocks.conv(2 * hidden, 3, padding=padding, name=f"wide{i + 1}") for i in range(1, COUNT)]
        self.wide_norms = [blocks.batch_norm(self.sync, name=f"wide_norm{i + 1}") for i in range(COUNT)]
        self.back = [blocks.conv(channels, 3, padding=padding, name=f"back{i + 1}") for i in range(COUNT)]
        self.back_norms = [blocks.batch_norm(self.sync, name=f"back_norm{i + 1}") for i in range(COUNT)]
        super().build(input_shape)

    def call(self, inputs, training=False):
        features, vector = inputs
        x = tf.concat([features, blocks.tile_vector(vector, features)], axis=-1)
        for i in range(COUNT):
            # Nothing is tiled for the first.
            y = self.wide[i - 1](blocks.padded(x, self.edges)) if i else self.first((features, vector))
            y = blocks.glu(self.wide_norms[i](y, training=training))
            x += self.back_norms[i](self.back[i](blocks.padded(y, self.edges)), training=training)
        return x
