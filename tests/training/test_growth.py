"""A first stage of a larger S that begins with a smaller one's: its map, enlarged; by TensorFlow's own filter."""

import numpy as np
import pytest
import tensorflow as tf
from networks import error, uneven

from ffgan_tf.config import ModelConfig
from ffgan_tf.models.generator import Stage1
from ffgan_tf.run.encoder_files import weight_names, weights_of
from ffgan_tf.training.growth import grow

NGF, SENTENCES = 4, 64


def stage(side: int, name: str, **settings) -> Stage1:
    """Random weights; batch norm's γ, β and statistics too, as training leaves them."""
    config = ModelConfig(image_size=side, ngf=NGF, ndf=4, c_dim=5, z_dim=6, **settings)
    made = Stage1(config, pyramid=False, name=name)
    made(tf.zeros((2, 5)), tf.zeros((2, 6)))
    uneven(made, side)
    return made


def enlarged(x: tf.Tensor, times: int) -> np.ndarray:
    for _ in range(times):
        x = tf.image.resize(x, (2 * x.shape[1], 2 * x.shape[2]))
    return x.numpy()


@pytest.mark.parametrize(
    "small, large, up_filter", [(64, 128, "none"), (64, 128, "tail"), (64, 256, "none"), (128, 256, "none")]
)
def test_it_draws_the_smaller_ones_map_enlarged(small, large, up_filter):
    first = stage(small, "first", edges="repeat")
    grown = stage(large, "grown", edges="repeat", up_filter=up_filter)
    weights = weights_of(first)
    for name, variable in zip(weight_names(grown), grown.variables, strict=True):
        if weights.get(name, np.zeros(0)).shape == variable.shape:
            variable.assign(weights[name])
    condition = tf.random.stateless_normal((SENTENCES, 5), (1, 2))
    noise = tf.random.stateless_normal((SENTENCES, 6), (3, 4))
    times = {2: 1, 4: 2}[large // small]
    wanted = enlarged(first(condition, noise), times)
    assert wanted.shape[1:] == (large // 4, large // 4, NGF)
    assert error(grown(condition, noise).numpy(), wanted) > 0.5
    grow(grown, weights, grown.coarse(condition, noise))
    found = grown(condition, noise).numpy()
    # What is left is what the gates do: numbers of spread 0.1 move the sigmoid's 0.5 by 5 % of it, in each up.
    assert 0.01 < error(found, wanted) < 0.08 * times


def test_a_wider_up_holds_the_narrower_one():
    """S = 256's first up is twice as wide as S = 128's only one."""
    first, grown = stage(128, "first"), stage(256, "grown")
    weights = weights_of(first)
    x = tf.random.stateless_normal((3, 16, 16, 4 * NGF), (1, 2))
    grow(grown, weights, x)
    np.testing.assert_allclose(grown.tail[0](x)[..., :NGF], first.tail[0](x), rtol=1e-5, atol=1e-6)
