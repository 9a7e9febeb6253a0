"""The step's alternatives: accumulation, clipping, penalties, float16, XLA, several steps a call; NaN left out."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.compat import all_layers
from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.training.distribution import compiled_steps
from ffgan_tf.training.gan_losses import G_METRICS, gradient_penalty
from ffgan_tf.training.gan_step import METRICS, Gan

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

SMALL = TrainConfig.of(
    image_size=64, ngf=4, ndf=4, z_dim=6, c_dim=5, dense_depth=1, dense_growth=4, pyramid="none", batch=4, max_words=5
)
# With so large an ε, Adam's first step is −lr·√(1−β2)·g/ε (Keras puts ε beside the uncorrected √v): here, −g.
LINEAR = dict(adam_epsilon=1e12, lr_g=1e12 / 0.001**0.5, lr_d=1e12 / 0.001**0.5)


@pytest.fixture(autouse=True)
def _float64_text():
    """The text encoder in the precision of the rest."""
    yield
    tf.keras.backend.set_floatx("float32")


def make_gan(precision: str = "float64", **settings) -> Gan:
    config = SMALL.replace(precision=precision, **settings)
    tf.keras.backend.set_floatx("float64" if precision == "float64" else "float32")
    return Gan(config, build.build_text_encoder(30, 1.0, config.schedule.seed))


def make_batch(seed: int = 0) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(seed)
    return {
        "image": tf.constant(random.integers(0, 256, (4, 64, 64, 3), np.uint8)),
        "tokens": tf.constant(random.integers(1, 30, (4, 5), np.int32)),
        "lengths": tf.constant([5, 3, 1, 4]),
        "classes": tf.constant([5, 5, 2, 9]),
        "noise": tf.constant(random.normal(size=(4, 11)).astype(np.float32)),
    }


def weights(gan: Gan) -> list[np.ndarray]:
    """Both networks' trainable weights."""
    return [value.numpy() for value in gan.discriminator.trainable_variables + gan.generator.trainable_variables]


def moved(gan: Gan, batch) -> tuple[list[np.ndarray], dict[str, float]]:
    """What one step changes, and its metrics."""
    before = weights(gan)
    metrics = gan.train_step(batch).numpy().astype(float)
    return [new - old for new, old in zip(weights(gan), before)], dict(zip(METRICS, metrics))


def rescale(gan: Gan, name: str, scale: float) -> None:
    """Gives an optimiser another loss scale to start from."""
    getattr(gan, name)._loss_scale.current_loss_scale.assign(scale)  # Keras shows it read-only


def freeze_batch_norm(gan: Gan) -> None:
    for network in (gan.generator, gan.discriminator, gan.ema):
        for layer in all_layers(network):
            if isinstance(layer, tf.keras.layers.BatchNormalization):
                layer.trainable = False  # in Keras: its moving statistics are used, not the batch's


@pytest.mark.parametrize("condition", ["ca", "sentence"])
def test_accumulated_parts_equal_the_whole_batch_but_for_batch_norm(condition):
    changes, reports = [], []
    for parts in (1, 2):
        gan = make_gan(condition=condition, accumulate=parts, **LINEAR)
        freeze_batch_norm(gan)
        change, report = moved(gan, make_batch())
        changes.append(change)
        del report["text/mu_spread"]  # within a part, so another number
        reports.append(report)
    assert any(np.abs(change).max() > 1e-4 for change in changes[0])
    for whole, accumulated in zip(*changes):
        np.testing.assert_allclose(accumulated, whole, rtol=0, atol=1e-10)
    assert reports[1] == pytest.approx(reports[0], rel=1e-6)


def test_clipping_shortens_the_gradient_and_keeps_its_direction():
    gan = make_gan(**LINEAR)
    free, report = moved(gan, make_batch())
    limit = report["grad_norm/d"] / 7
    assert report["grad_norm/g"] != pytest.approx(report["grad_norm/d"], rel=0.1)
    clipped, clipped_report = moved(make_gan(clip_norm=limit, **LINEAR), make_batch())
    count = len(gan.discriminator.trainable_variables)
    assert clipped_report["grad_norm/d"] == pytest.approx(report["grad_norm/d"], rel=1e-6)
    for short, full in zip(clipped[:count], free[:count]):
        np.testing.assert_allclose(short, full / 7, rtol=1e-5, atol=1e-12)
    length = np.sqrt(sum((change**2).sum() for change in clipped[count:]))
    assert length == pytest.approx(min(limit, clipped_report["grad_norm/g"]), rel=1e-4)


@pytest.fixture(scope="module")
def without_penalty():
    """A training state after a step, and the step: see `moved`."""
    gan = make_gan("float32", **LINEAR)
    before = weights(gan)[: len(gan.discriminator.trainable_variables)]
    return gan, before, moved(gan, make_batch())


@pytest.mark.parametrize("kind", ["r1", "magp"])
def test_the_penalty_is_part_of_the_loss_that_d_follows(kind, without_penalty):
    """Its share of D's step, along a direction, against central differences of its value in float64.

    (Not float64's own step: there Keras's batch norm goes by tf.nn.moments, whose second derivative is wrong.)
    """
    plain, start, (without, plain_report) = without_penalty
    penalised, probe = make_gan("float32", gradient_penalty=kind, penalty_weight=3.0, **LINEAR), make_gan()
    variables = probe.discriminator.trainable_variables
    for variable, value in zip(variables, start, strict=True):
        variable.assign(tf.cast(value, tf.float64))
    for variable, value in zip(probe.text_encoder.variables, plain.text_encoder.variables):
        variable.assign(tf.cast(value, tf.float64))
    inputs = probe.inputs(make_batch())
    with_it, report = moved(penalised, make_batch())
    share = [(old - new).astype(float) for new, old, _ in zip(with_it, without, variables)]
    length = np.sqrt(sum((part**2).sum() for part in share))
    found = []
    for sign in (1, -1):
        for variable, part in zip(variables, share):
            variable.assign_add(sign * 1e-6 / length * part)  # so little that hardly a LeakyReLU's kink lies between
        found.append(float(gradient_penalty(kind, probe.discriminator, inputs)))
        for variable, part in zip(variables, share):
            variable.assign_sub(sign * 1e-6 / length * part)

    assert length == pytest.approx(3 * (found[0] - found[1]) / 2e-6, rel=5e-3)
    assert report["loss_d/penalty"] == pytest.approx((found[0] + found[1]) / 2, rel=1e-3)
    assert report["loss_d/total"] == pytest.approx(
        plain_report["loss_d/total"] + 3 * report["loss_d/penalty"], rel=1e-4
    )


def test_the_penalty_is_computed_in_float32_beside_bfloat16():
    exact = moved(make_gan("float32", gradient_penalty="r1"), make_batch())[1]["loss_d/penalty"]
    mixed_gan = make_gan("mixed_bfloat16", gradient_penalty="r1")
    mixed = moved(mixed_gan, make_batch())[1]["loss_d/penalty"]
    assert mixed == pytest.approx(exact, rel=1e-5)  # bfloat16 has three digits
    trained = {id(variable) for variable in mixed_gan.discriminator.trainable_variables}
    assert {id(variable) for variable in mixed_gan.penalised_discriminator.trainable_variables} == trained


def test_float16_leaves_out_a_step_that_overflows_and_lowers_its_scale():
    gan = make_gan("mixed_float16")
    scale = float(gan.optimizer_d.loss_scale)
    change, report = moved(gan, make_batch())
    assert scale == 2**15 and report["loss_scale/d"] in (scale, scale / 2)
    assert all(np.isfinite(report[name]) for name in METRICS if name.startswith(("loss", "D/")))
    rescale(gan, "optimizer_d", 1e38)
    rescale(gan, "optimizer_g", 256.0)
    change, report = moved(gan, make_batch())
    assert not np.isfinite(report["grad_norm/d"]) and report["loss_scale/d"] == pytest.approx(5e37)
    assert not any(part.any() for part in change[: len(gan.discriminator.trainable_variables)])
    assert np.isfinite(report["loss_d/total"])
    assert any(part.any() for part in change[len(gan.discriminator.trainable_variables) :])


@pytest.mark.slow
def test_float16_steps_are_nearer_to_float32_than_bfloat16_is():
    """As eleven bits are to eight; both lose much in so small a network and batch."""
    steps = {}
    for name in ("float32", "mixed_float16", "mixed_bfloat16"):
        gan = make_gan(name, **{**LINEAR, "lr_d": 0.0})  # G learns from the same D
        if name == "mixed_float16":
            rescale(gan, "optimizer_g", 256.0)
            rescale(gan, "optimizer_d", 256.0)
        count = len(gan.discriminator.trainable_variables)
        before = weights(gan)[count:]
        of_g = moved(gan, make_batch())[0][count:]
        for variable, value in zip(gan.generator.trainable_variables, before):  # and D from the same G
            variable.assign(value)
        gan.optimizer_d.learning_rate = LINEAR["lr_d"]
        of_d = moved(gan, make_batch())[0][:count]
        steps[name] = [np.concatenate([change.ravel() for change in changes]) for changes in (of_d, of_g)]
    for exact, half, brain in zip(*steps.values()):
        assert 0 < np.linalg.norm(half - exact) < min(0.15 * np.linalg.norm(exact), 0.7 * np.linalg.norm(brain - exact))


def test_a_step_whose_gradient_is_not_finite_is_not_followed():
    gan = make_gan("float32")
    gan.train_step(make_batch())
    broken = make_batch(1)
    broken["noise"] = tf.fill([4, 11], np.float32(np.inf))
    change, report = moved(gan, broken)
    assert not np.isfinite(report["grad_norm/g"]) and not np.isfinite(report["loss_g/total"])
    assert all(np.isfinite(value).all() for value in weights(gan))
    assert max(np.abs(part).max() for part in change) < 3e-4  # Adam's momentum at most, at lr 2e-4


def test_kl_warm_up_rises_linearly():
    gan = make_gan(kl_weight=2.0, kl_warmup=4)
    inputs = gan.inputs(make_batch())
    generated = gan.generate(inputs)

    def weight(report):
        adversarial = (report["loss_g/fake"] + report["loss_g/fake_matching"]) / 2
        return (report["loss_g/total"] - adversarial) / report["loss_g/kl"]

    for step in range(6):
        gan.step.assign(step)
        report = dict(zip(G_METRICS, gan.parts.g_loss(inputs, generated)[1].numpy().astype(float)))
        assert weight(report) == pytest.approx(2.0 * min(1, step / 4), abs=1e-4)
    gan.step.assign(3)  # a whole step counts from before itself
    assert weight(moved(gan, make_batch())[1]) == pytest.approx(1.5, abs=1e-4)


def compiled(gan: Gan) -> Callable[[list[int]], tuple[np.ndarray, list[np.ndarray]]]:
    """A function: metrics and weights after calls of so many steps, as the training loop compiles them."""
    steps = compiled_steps(gan, tf.distribute.get_strategy())
    batches = [make_batch(i) for i in range(3)]
    data = tf.data.Dataset.from_tensor_slices({name: tf.stack([b[name] for b in batches]) for name in batches[0]})

    def run(counts):
        iterator = iter(data)
        return np.concatenate([steps(iterator, count).numpy() for count in counts]), weights(gan)

    return run


@pytest.mark.slow
def test_several_accumulated_steps_a_call_are_the_same_steps():
    """In one graph for any count, steps and parts are loops. The plain step is traced without autograph; this one
    cannot be."""
    gan = make_gan("float32", steps_per_call=2, accumulate=2)
    parts = [gan.generator, gan.discriminator, gan.ema, gan.optimizer_d, gan.optimizer_g]
    variables = [gan.step, *(variable for part in parts for variable in part.variables)]
    start, run = [variable.numpy() for variable in variables], compiled(gan)

    def again():
        for variable, value in zip(variables, start):
            variable.assign(value)

    one, _ = run([1, 1, 1]), again()
    other, _ = run([1, 2]), again()
    np.testing.assert_array_equal(other[0], one[0])
    for left, right in zip(one[1], other[1]):
        np.testing.assert_array_equal(left, right)
    eager = np.stack([gan.train_step(make_batch(i)) for i in range(2)])
    np.testing.assert_allclose(one[0][:2], eager, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_xla_computes_the_same_step():
    plain, gan = make_gan("float32", **LINEAR), make_gan("float32", jit_compile=True, **LINEAR)
    metrics, after = compiled(gan)([1])
    np.testing.assert_allclose(metrics[0], plain.train_step(make_batch()), rtol=1e-3, atol=1e-5)
    for left, right in zip(weights(plain), after):
        np.testing.assert_allclose(right, left, rtol=0, atol=1e-3 * max(1e-2, np.abs(left).max()))
