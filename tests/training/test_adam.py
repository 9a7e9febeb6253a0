"""The fused Adam against Keras's, also under loss scaling."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.compat import FusedAdam

SETTINGS = dict(learning_rate=1e-2, beta_1=0.5, beta_2=0.99, epsilon=1e-8)


def trained(make, dtype=tf.float64, steps=5):
    """Weights and the optimiser's variables after some steps on fixed gradients."""
    random = np.random.default_rng(0)
    weights = [tf.Variable(random.normal(size=shape), dtype=dtype) for shape in ((3, 4), (5,), ())]
    optimizer = make()
    optimizer.build(weights)

    @tf.function
    def step(gradients):
        optimizer.apply_gradients(zip(gradients, weights))

    for _ in range(steps):
        step([tf.constant(random.normal(size=weight.shape), dtype) for weight in weights])
    return weights, optimizer


@pytest.mark.parametrize("dtype,tolerance", [(tf.float64, 1e-7), (tf.float32, 1e-6)])
def test_the_same_weights_and_state_as_kerass(dtype, tolerance):
    # Keras keeps its rate in float32; so its float64 is not better than that.
    ours, fused = trained(lambda: FusedAdam(**SETTINGS), dtype)
    theirs, keras = trained(lambda: tf.keras.optimizers.Adam(**SETTINGS), dtype)
    assert [(v.name, v.shape) for v in fused.variables] == [(v.name, v.shape) for v in keras.variables]
    for left, right in zip([*ours, *fused.variables], [*theirs, *keras.variables]):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)
    assert int(fused.iterations) == 5


def test_a_checkpoint_of_kerass_continues_with_ours(tmp_path):
    _, keras = trained(lambda: tf.keras.optimizers.Adam(**SETTINGS))
    path = tf.train.Checkpoint(optimizer=keras).write(str(tmp_path / "state"))
    _, fused = trained(lambda: FusedAdam(**SETTINGS), steps=0)
    tf.train.Checkpoint(optimizer=fused).read(path).assert_consumed()
    for left, right in zip(fused.variables, keras.variables):
        np.testing.assert_array_equal(left, right)


def test_under_loss_scaling_a_step_that_overflows_changes_nothing():
    ends = []
    for make in (FusedAdam, tf.keras.optimizers.Adam):
        weight = tf.Variable([1.0, 2.0])
        optimizer = tf.keras.mixed_precision.LossScaleOptimizer(make(**SETTINGS))
        optimizer.build([weight])
        for gradient in ([np.inf, 1.0], [3.0, -1.0]):
            optimizer.apply_gradients([(optimizer.get_unscaled_gradients([tf.constant(gradient)])[0], weight)])
            ends.append(weight.numpy())
    np.testing.assert_array_equal(ends[0], [1.0, 2.0])
    np.testing.assert_allclose(ends[:2], ends[2:], rtol=1e-6)
    assert np.all(ends[1] != ends[0])
