"""Which weight, layer or gradient a NaN is traced to."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.training.diagnose import check_finite, first_non_finite
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.utils.errors import UserError

CONFIG = TrainConfig.of(
    image_size=64, ngf=4, ndf=4, z_dim=10, c_dim=12, dense_depth=3, dense_growth=8, batch=4, max_words=7
)


@pytest.fixture(scope="module")
def gan() -> Gan:
    return Gan(CONFIG, build.build_text_encoder(30, 1.0, 1))


@pytest.fixture
def restored(gan):
    """The same for every test: as it was made."""
    variables = [
        *gan.text_encoder.variables,
        *gan.generator.variables,
        *gan.discriminator.variables,
        *gan.ema.variables,
        *gan.optimizer_g.variables,
        *gan.optimizer_d.variables,
        gan.step,
    ]
    before = [variable.numpy() for variable in variables]
    yield gan
    for variable, value in zip(variables, before):
        variable.assign(value)


def make_batch() -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    return {
        "image": tf.constant(random.integers(0, 256, (4, 64, 64, 3), np.uint8)),
        "tokens": tf.constant(random.integers(1, 30, (4, 7), np.int32)),
        "lengths": tf.constant([7, 3, 1, 5]),
        "classes": tf.constant([5, 5, 2, 9]),
        "noise": tf.constant(random.normal(size=(4, 22)).astype(np.float32)),
    }


def named(gan: Gan, batch=None, compiled: bool = False) -> str | None:
    step = tf.function(gan.train_step, autograph=False) if compiled else gan.train_step
    batch = batch or make_batch()
    return first_non_finite([gan.text_encoder, gan.generator, gan.discriminator], lambda: step(batch))


def plant(variable: tf.Variable, value: float = np.nan) -> None:
    flat = variable.numpy().reshape(-1)
    flat[len(flat) // 2] = value
    variable.assign(flat.reshape(variable.shape))


@pytest.mark.parametrize("compiled", [False, True])
def test_a_healthy_step_is_none_and_is_done(restored, compiled):
    assert named(restored, compiled=compiled) is None
    assert int(restored.step) == 1
    assert not tf.config.functions_run_eagerly()


@pytest.mark.parametrize(
    "find, name",
    [
        (lambda gan: gan.generator.stage1.fc.kernel, "generator/stage1/fc/kernel"),
        (lambda gan: gan.generator.stage2.dense.norms[1].beta, "generator/stage2/dense/norm2/beta"),
        (lambda gan: gan.discriminator.trunk[2].norm.gamma, "discriminator/down3/norm/gamma"),
        (lambda gan: gan.discriminator.conditional_logit.dense.bias, "discriminator/conditional_logit/dense/bias"),
        (lambda gan: gan.text_encoder.forward.cell.recurrent_kernel, "text_encoder/forward/lstm_cell/recurrent_kernel"),
    ],
)
def test_a_nan_planted_in_a_weight(restored, find, name):
    plant(find(restored))
    actual = named(restored)
    if name.startswith("text_encoder"):  # Keras numbers its cells over the process
        actual = actual.replace(restored.text_encoder.forward.cell.name, "lstm_cell")
    assert actual == f"the weight {name} holds NaN"
    assert int(restored.step) == 0  # the step was not even tried


def test_moving_statistics_are_passed_over(restored):
    """A bad step spoils them first, wherever its NaN comes from; training does not read them."""
    plant(restored.generator.stage1.fc_norm.moving_variance)
    conv = restored.generator.stage2.dense.convs[2]
    conv.kernel.assign(tf.fill(conv.kernel.shape, tf.float32.max))
    assert named(restored).startswith("generator/stage2/dense/conv3 gives ")


def test_an_infinite_weight_is_called_so(restored):
    plant(restored.generator.to_image.kernel, np.inf)
    assert named(restored) == "the weight generator/to_image/kernel holds infinity"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    "kernel, found",
    [
        (1.0, "generator/stage1/fc gives infinity"),  # 10 · 3e38
        (0.01, "generator/stage1/fc_norm gives "),
    ],
)  # 10 · 3e36; its square is too large
def test_an_input_that_overflows_names_the_first_layer_it_overflows_in(restored, kernel, found, compiled):
    fc = restored.generator.stage1.fc
    fc.kernel.assign(tf.fill(fc.kernel.shape, kernel))
    noise = np.concatenate([np.full([4, 10], 3e38), np.zeros([4, 12])], axis=1)  # z, ε
    assert named(restored, {**make_batch(), "noise": tf.constant(noise, tf.float32)}, compiled).startswith(found)
    assert int(restored.step) == 0


def test_an_inner_layer_is_named_before_the_one_it_is_part_of(restored):
    """Finite weights whose product is too large: three layers deep, and first seen there."""
    conv = restored.generator.stage2.dense.convs[2]
    conv.kernel.assign(tf.fill(conv.kernel.shape, tf.float32.max))
    assert named(restored) in ("generator/stage2/dense/conv3 gives infinity", "generator/stage2/dense/conv3 gives NaN")


def test_what_a_layer_does_itself_is_named_by_its_own_name(restored):
    """σ = exp(log σ² / 2) is no layer's but conditioning augmentation's: linear gives 2,000·sigmoid(2,000), finite."""
    linear = restored.generator.augment.linear
    linear.kernel.assign(tf.zeros_like(linear.kernel))
    linear.bias.assign(tf.fill(linear.bias.shape, 2000.0))
    assert named(restored) == "generator/augment gives infinity"


def test_the_discriminators_layers_are_found_though_only_parts_of_it_are_called(restored):
    conv = restored.discriminator.joint.conv
    conv.kernel.assign(tf.fill(conv.kernel.shape, tf.float32.max))
    assert named(restored) in ("discriminator/joint/conv gives infinity", "discriminator/joint/conv gives NaN")


def test_a_gradient_that_overflows_names_the_layer_backpropagation_met_first():
    """y = c·b·(a·x) with loss y²: forward values stay finite, ∂/∂c is 2·y·(b·a·x) = 4e38 > float32's largest."""

    class Chain(tf.keras.Model):
        def __init__(self):
            super().__init__(name="chain")
            self.parts = [tf.keras.layers.Dense(1, use_bias=False, name=name) for name in "cab"]
            for part, value in zip(self.parts, (1e-15, 1.0, 1.0)):
                part.build([None, 1])
                part.kernel.assign([[value]])

        def call(self, x):
            c, a, b = self.parts
            return c(b(a(x)))

    chain = Chain()

    def step(scale):
        with tf.GradientTape() as tape:
            loss = scale * tf.reduce_sum(chain(tf.constant([[2e19]])))
        return tape.gradient(loss, chain.trainable_variables)

    assert first_non_finite([chain], lambda: step(1.0)) is None
    assert first_non_finite([chain], lambda: step(2e19)) == "the gradient of chain/c/kernel holds infinity"


def test_mistakes_in_the_step_come_through(restored):
    batch = {**make_batch(), "classes": tf.constant([1, 1, 1, 1])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="one class only"):
        named(restored, batch)
    assert not tf.config.functions_run_eagerly()


def test_the_first_term_of_the_first_bad_step_is_named():
    names, metrics = ("loss", "norm", "rate"), np.ones([4, 3], np.float32)
    check_finite(metrics, names, 11, 10, "fix")
    metrics[2, 1] = np.inf
    metrics[3] = np.nan
    with pytest.raises(UserError, match="step 13: norm is inf \\(of 13\\);.* checkpoint of step 10 is kept. Fix: less"):
        check_finite(metrics, names, 11, 10, "less", lambda step: f"of {step}")
    metrics[2, 0] = np.nan
    with pytest.raises(UserError, match="step 13: loss is nan; .* no checkpoint yet"):
        check_finite(metrics, names, 11, None, "fix")
    excused = np.zeros([4, 3], bool)
    excused[2] = True
    with pytest.raises(UserError, match="step 14: loss is nan"):
        check_finite(metrics, names, 11, None, "fix", excused=excused)
    excused[3] = True
    check_finite(metrics, names, 11, None, "fix", excused=excused)
