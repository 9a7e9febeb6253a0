"""One training step, against the same step worked out apart from it."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.training.gan_step import METRICS, Gan

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

SMALL = dict(image_size=64, ngf=4, ndf=4, z_dim=10, c_dim=12, dense_depth=2, dense_growth=8, batch=4, max_words=7)


def make_gan(**settings) -> Gan:
    config = TrainConfig.of(**{**SMALL, **settings})
    return Gan(config, build.build_text_encoder(30, 1.0, config.schedule.seed))


def make_batch(seed: int = 0, side: int = 64) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(seed)
    return {
        "image": tf.constant(random.integers(0, 256, (4, side, side, 3), np.uint8)),
        "tokens": tf.constant(random.integers(1, 30, (4, 7), np.int32)),
        "lengths": tf.constant([7, 3, 1, 5]),
        "classes": tf.constant([5, 5, 2, 9]),
        "index": tf.range(4),
        "noise": tf.constant(random.normal(size=(4, 22)).astype(np.float32)),
    }


WRONG = [2, 2, 3, 0]  # by hand, for the classes 5, 5, 2, 9: the next sample, but for the first its class's other one


def values(variables) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def changed(before: list[np.ndarray], variables) -> list[bool]:
    return [not np.array_equal(old, new.numpy()) for old, new in zip(before, variables)]


# Every pair of settings meets in one of the rows.
@pytest.mark.parametrize(
    "condition, loss_weights, pyramid, fusion, precision",
    [
        ("ca", "paper", "fpam", "fixed", "float32"),
        ("ca", "attngan", "none", "learned", "mixed_bfloat16"),
        ("mu", "paper", "fpam", "learned", "mixed_bfloat16"),
        ("mu", "attngan", "none", "fixed", "float32"),
        ("sentence", "paper", "none", "fixed", "mixed_bfloat16"),
        ("sentence", "attngan", "fpam", "learned", "float32"),
    ],
)
def test_a_step_moves_both_networks_and_leaves_the_text_encoder(condition, loss_weights, pyramid, fusion, precision):
    gan = make_gan(condition=condition, loss_weights=loss_weights, pyramid=pyramid, fusion=fusion, precision=precision)
    networks = [gan.generator, gan.discriminator]
    before = [values(network.trainable_variables) for network in networks]
    text = values(gan.text_encoder.variables)
    metrics = gan.train_step(make_batch())
    assert metrics.shape == (len(METRICS),) and metrics.dtype == tf.float32
    assert np.isfinite(metrics).all()
    for network, old in zip(networks, before):
        assert all(changed(old, network.trainable_variables))
        assert all(np.isfinite(value).all() for value in values(network.variables))
    assert not any(changed(text, gan.text_encoder.variables))
    assert int(gan.step) == 1


def probability(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def adam_step(weight: np.ndarray, gradient: np.ndarray, rate: float, epsilon: float) -> np.ndarray:
    """Adam's first step (Kingma & Ba, 2015): both bias corrections undo the averages."""
    return weight - rate * gradient / (np.abs(gradient) + epsilon)


@pytest.mark.parametrize("condition, loss_weights", [("ca", "paper"), ("mu", "attngan")])
def test_metrics_and_updates_against_the_equations(condition, loss_weights):
    """The networks are called once more, before and after; Eq. 4 and 5, the wrong pairs and Adam are written anew."""
    settings = dict(condition=condition, loss_weights=loss_weights, kl_weight=0.7, lr_d=1e-3, lr_g=3e-4)
    gan, twin = make_gan(**settings), make_gan(**settings)  # the twin keeps the weights from before the step
    batch = make_batch()
    got = dict(zip(METRICS, gan.train_step(batch).numpy().astype(float)))

    sentence, words = twin.text_encoder(batch["tokens"], batch["lengths"])
    noise = batch["noise"].numpy()
    arguments = sentence, words, tf.sequence_mask(batch["lengths"], 7), noise[:, :10], noise[:, 10:]
    made = twin.generator(*arguments, training=True)
    # As arrays, so that no gradient can pass through the condition.
    seen = (made.condition if condition == "ca" else made.mu).numpy()
    real, fake = batch["image"].numpy() / 127.5 - 1, made.image.numpy()

    def judge(d, image, vector):
        features = d.features(image, training=True)
        return d.unconditional(features), d.conditional(features, vector, training=True)

    with tf.GradientTape() as tape:
        t, t_right = judge(twin.discriminator, real, seen)
        t_wrong = judge(twin.discriminator, real, seen[WRONG])[1]
        f, f_right = judge(twin.discriminator, fake, seen)
        terms = {
            "real": (t, 1),
            "fake": (f, -1),
            "real_matching": (t_right, 1),
            "fake_matching": (f_right, -1),
            "real_mismatching": (t_wrong, -1),
        }
        weights = dict(
            zip(
                terms,
                {"paper": (1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3), "attngan": (1 / 2, 1 / 3, 1 / 2, 1 / 3, 1 / 3)}[
                    loss_weights
                ],
            )
        )
        loss_d = -sum(
            weights[name] * tf.reduce_mean(tf.math.log_sigmoid(sign * logits)) for name, (logits, sign) in terms.items()
        )
    gradients_d = tape.gradient(loss_d, twin.discriminator.trainable_variables)
    want = {}
    for name, (logits, sign) in terms.items():
        want[f"loss_d/{name}"] = -np.log(probability(sign * logits.numpy())).mean()
        want[f"D/{name}"] = probability(logits.numpy()).mean()
    want["loss_d/total"] = sum(weights[name] * want[f"loss_d/{name}"] for name in terms)
    want["grad_norm/d"] = np.sqrt(sum((value.numpy().astype(float) ** 2).sum() for value in gradients_d))

    with tf.GradientTape() as tape:  # the discriminator that has learned, on the same fakes
        made = twin.generator(*arguments, training=True)
        f, f_right = judge(gan.discriminator, made.image, seen)
        kl = tf.reduce_mean(made.mu**2 + tf.exp(made.log_var) - made.log_var - 1) / 2
        loss_g = -(tf.reduce_mean(tf.math.log_sigmoid(f)) + tf.reduce_mean(tf.math.log_sigmoid(f_right))) / 2 + 0.7 * kl
    gradients_g = tape.gradient(loss_g, twin.generator.trainable_variables)
    mu, log_var = made.mu.numpy().astype(float), made.log_var.numpy().astype(float)
    want["loss_g/fake"] = -np.log(probability(f)).mean()
    want["loss_g/fake_matching"] = -np.log(probability(f_right)).mean()
    want["loss_g/kl"] = (mu**2 + np.exp(log_var) - log_var - 1).mean() / 2
    want["loss_g/total"] = (want["loss_g/fake"] + want["loss_g/fake_matching"]) / 2 + 0.7 * want["loss_g/kl"]
    want["grad_norm/g"] = np.sqrt(sum((value.numpy().astype(float) ** 2).sum() for value in gradients_g))
    want["text/mu_spread"] = mu.std(axis=0).mean()

    want |= {"loss_d/penalty": 0, "loss_g/damsm": 0, "loss_scale/d": 1, "loss_scale/g": 1}  # not in this recipe
    assert set(got) == set(want)
    for name in METRICS:
        assert got[name] == pytest.approx(want[name], rel=2e-4, abs=1e-7), name
    for network, old, gradients, rate in (
        (gan.discriminator, twin.discriminator, gradients_d, 1e-3),
        (gan.generator, twin.generator, gradients_g, 3e-4),
    ):
        for new, weight, gradient in zip(network.trainable_variables, old.trainable_variables, gradients):
            # Where a gradient is next to nothing, its sign is rounding, and Keras's place for ε beside √v shows.
            sure = np.abs(gradient) > max(1e-5, 1e-3 * np.abs(gradient).max())
            step = adam_step(weight.numpy(), gradient.numpy(), rate, 1e-8)
            np.testing.assert_allclose(new.numpy()[sure], step[sure], rtol=0, atol=0.04 * rate, err_msg=weight.name)


@pytest.mark.parametrize("condition", ["ca", "mu"])
def test_no_gradient_passes_through_the_condition(condition):
    gan, batch = make_gan(condition=condition), make_batch()
    sentence, words = gan.text_encoder(batch["tokens"], batch["lengths"])
    with tf.GradientTape() as tape:
        made = gan.generator(
            sentence,
            words,
            tf.sequence_mask(batch["lengths"], 7),
            batch["noise"][:, :10],
            batch["noise"][:, 10:],
            training=True,
        )
        seen = build.discriminator_condition(condition, sentence, made.condition, made.mu)
        _, logits = gan.discriminator(tf.zeros([4, 64, 64, 3]), seen, training=True)
        loss = tf.reduce_sum(logits)
    np.testing.assert_array_equal(seen, made.condition if condition == "ca" else made.mu)
    assert tape.gradient(loss, gan.generator.trainable_variables, unconnected_gradients="none") == [None] * len(
        gan.generator.trainable_variables
    )


@pytest.fixture(scope="module")
def gan() -> Gan:
    return make_gan()


@pytest.fixture(scope="module")
def three_steps(gan):
    """Three steps, compiled as the loop compiles them, twice from the same state; all variables after 0, 1, 2, 3."""
    parts = [gan.ema, gan.generator, gan.discriminator, gan.optimizer_g, gan.optimizer_d]
    variables = [list(part.variables) for part in parts]
    first = [values(part) for part in variables]
    step = tf.function(gan.train_step, autograph=False)
    runs = []
    for _ in range(2):
        for part, start in zip(variables, first):
            for variable, value in zip(part, start):
                variable.assign(value)
        gan.step.assign(0)
        states = [first]
        for i in range(3):
            step(make_batch(i))
            states.append([values(part) for part in variables])
        runs.append(states)
    return runs


def flat(state: list[list[np.ndarray]]) -> list[np.ndarray]:
    return [value for part in state for value in part]


def test_same_seed_same_weights_bit_for_bit(three_steps):
    one, other = three_steps
    for before, after in zip(one, other):
        for left, right in zip(flat(before), flat(after)):
            np.testing.assert_array_equal(left, right)
    assert any(not np.array_equal(a, b) for a, b in zip(flat(one[2]), flat(one[3])))


def test_the_first_weights_are_drawn_from_the_seed(three_steps):
    ema, generator, discriminator, _, _ = three_steps[0][0]
    twin, stranger = make_gan(), make_gan(seed=2)
    for left, right in zip(generator + discriminator, values(twin.generator.variables + twin.discriminator.variables)):
        np.testing.assert_array_equal(left, right)
    assert any(changed(generator, stranger.generator.variables))
    assert any(changed(values(twin.text_encoder.variables), stranger.text_encoder.variables))
    for left, right in zip(ema, generator):
        np.testing.assert_array_equal(left, right)


def test_moving_average_with_warm_up(three_steps):
    states = three_steps[0]
    want = [value.astype(np.float64) for value in states[0][1]]
    for t in range(3):
        decay = min(0.999, (1 + t) / (10 + t))
        ema, generator = states[t + 1][:2]
        want = [decay * average + (1 - decay) * value for average, value in zip(want, generator)]
        for average, value in zip(ema, want):
            np.testing.assert_allclose(average, value, rtol=1e-5, atol=1e-6)


def test_moving_average_without_warm_up():
    gan = make_gan(ema_decay=0.9, ema_warmup=False)
    start = values(gan.generator.variables)
    gan.train_step(make_batch())
    for average, old, new in zip(gan.ema.variables, start, gan.generator.variables):
        np.testing.assert_allclose(average.numpy(), 0.9 * old + 0.1 * new.numpy(), rtol=1e-5, atol=1e-6)
