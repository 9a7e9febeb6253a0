"""One training step of every family: who moves, on which images, by which texts and losses."""

import numpy as np
import pytest
import tensorflow as tf
from families import CASES, STAGE2, WRONG, changed, make_batch, make_gan, values

from ffgan_tf.config.families import FACTS
from ffgan_tf.models.conditioning import unit_rms
from ffgan_tf.training.gan_inputs import Inputs, generator_inputs, read_captions
from ffgan_tf.training.gan_step import METRICS, metric_names
from ffgan_tf.training.images import at_sizes
from ffgan_tf.training.schedule import Shares

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")


@pytest.mark.parametrize("case", CASES)
def test_a_step_moves_what_is_trained_and_nothing_else(case):
    gan = make_gan(case)
    networks = [gan.generator, *gan.discriminators]
    before = [values(network.trainable_variables) for network in networks]
    frozen = [*gan.text_encoder.variables, *(gan.generator.first.variables if case == STAGE2 else [])]
    still = values(frozen)
    # DF-GAN begins with zeros behind some layers: these move once the zeros have.
    for _ in range(2 if case == "dfgan" else 1):
        metrics = gan.train_step(make_batch(gan.config)).numpy()
    assert np.isfinite(metrics).all() and len(metrics) == len(gan.metrics) == len(set(gan.metrics))
    assert len(gan.discriminators) == len(gan.config.model.sizes) == (3 if "loss_d16/total" in gan.metrics else 1)
    for network, old in zip(networks, before):
        assert len(old) > 5 and all(changed(old, network.trainable_variables)), network.name
    assert not any(changed(still, frozen))
    if case == STAGE2:
        assert len(gan.generator.first.variables) > 20
        assert {id(v) for v in gan.generator.first.variables} <= {id(v) for v in gan.generator.variables}


def test_names_of_what_a_step_reports():
    assert METRICS == metric_names() and METRICS[0] == "loss_d/real"
    assert not [name for name in metric_names(("real_matching",), augments=False) if "kl" in name or "/fake" in name]
    three = metric_names(sides=("16", "32", ""))
    assert three.index("loss_d16/real") < three.index("loss_d32/real") < three.index("loss_d/real")
    assert {"grad_norm/d16", "loss_scale/d32", "grad_norm/d", "D16/fake", "loss_g32/fake_matching"} <= set(three)


def test_sizes_are_means_of_squares():
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    small, middle, large = at_sizes(tf.constant(images), (2, 4, 8))
    np.testing.assert_array_equal(large, images)
    np.testing.assert_allclose(middle, images.reshape(2, 4, 2, 4, 2, 3).mean((2, 4)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(small, images.reshape(2, 2, 4, 2, 4, 3).mean((2, 4)), rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def three():
    """StackGAN++ before and after a step: a twin with the weights from before, and what the step reported."""
    gan, twin = (make_gan("stackgan_v2", lr_d=0.0) for _ in range(2))
    batch = make_batch(gan.config)
    return twin, batch, dict(zip(gan.metrics, gan.train_step(batch).numpy().astype(float)))


def test_each_discriminator_judges_the_images_of_its_size(three):
    """The Ds stay as they are here, so that G's losses are by the same weights as theirs."""
    twin, batch, report = three
    real = batch["image"].numpy() / 127.5 - 1
    sentence = twin.text_encoder(batch["tokens"], batch["lengths"])[0]
    noise = batch["noise"].numpy()
    made = twin.generator(sentence, None, None, noise[:, :6], noise[:, 6:11], training=True)
    mu, total = made.mu.numpy(), 0.0

    def bce(logits, target):
        return float(np.mean(np.log1p(np.exp(np.where(target, -1, 1) * logits.numpy().astype(float)))))

    for d, side, fake in zip(twin.discriminators, (16, 32, 64), made.images):
        name = "" if side == 64 else str(side)
        squares = real.reshape(4, side, 64 // side, side, 64 // side, 3).mean((2, 4)).astype(np.float32)
        t, f = d.features(squares, training=True), d.features(fake, training=True)
        want = {
            "real": bce(d.unconditional(t), True),
            "fake": bce(d.unconditional(f), False),
            "real_matching": bce(d.conditional(t, mu, training=True), True),
            "fake_matching": bce(d.conditional(f, mu, training=True), False),
            "real_mismatching": bce(d.conditional(t, mu[WRONG], training=True), False),
        }
        for term, value in want.items():
            assert report[f"loss_d{name}/{term}"] == pytest.approx(value, rel=2e-4), (side, term)
        assert report[f"loss_d{name}/total"] == pytest.approx(sum(want.values()) + want["real"], rel=2e-4)
        of_g = [bce(d.unconditional(f), True), bce(d.conditional(f, mu, training=True), True)]
        assert report[f"loss_g{name}/fake"] == pytest.approx(of_g[0], rel=2e-4)
        assert report[f"loss_g{name}/fake_matching"] == pytest.approx(of_g[1], rel=2e-4)
        total += sum(of_g)
    assert report["loss_g/total"] == pytest.approx(total + 2 * report["loss_g/kl"], rel=2e-4)


def test_each_discriminator_has_an_adam_of_its_own():
    gan = make_gan("attngan")
    gan.optimizers_d[1].learning_rate = 0.0
    before = [values(d.trainable_variables) for d in gan.discriminators]
    gan.train_step(make_batch(gan.config))
    moved = [any(changed(old, d.trainable_variables)) for old, d in zip(before, gan.discriminators)]
    assert moved == [True, False, True]
    gan.set_learning_rates(Shares(0.25, 0.25))
    rates = [float(optimizer.learning_rate) for optimizer in (*gan.optimizers_d, gan.optimizer_g)]
    assert rates == pytest.approx([0.25 * 2e-4] * 4)


@pytest.mark.parametrize("gradient", ["none", "g"])
def test_the_condition_carries_gans_gradient_where_it_is_told_to(gradient):
    """With KL off, a G whose images do not depend on I_s learns F_ca by D's condition alone."""
    gan = make_gan("stackgan_v2", condition_gradient=gradient, kl_weight=0.0)
    inputs = gan.inputs(make_batch(gan.config))
    with tf.GradientTape() as tape:
        generated = gan.generate(inputs)
        images = tuple(map(tf.stop_gradient, generated.images))
        loss, _ = gan.g_loss(inputs, generated._replace(images=images))
    found = tape.gradient(loss, gan.generator.augment.trainable_variables)
    assert [value is not None and bool(np.any(value)) for value in found] == [gradient == "g"] * 2


def test_interpolated_texts_lie_between_sample_i_and_half_a_batch_on():
    gan = make_gan("gan_int_cls")
    inputs = gan.inputs(make_batch(gan.config))
    found = generator_inputs(inputs, gan.config)
    unit = inputs.sentence.numpy() / np.sqrt(np.mean(inputs.sentence.numpy() ** 2, 1, keepdims=True))
    assert found.sentence.shape == (6, 256) and found.noise.shape == (6, 6)
    np.testing.assert_array_equal(found.sentence[:4], inputs.sentence)
    halfway = [(unit[0] + unit[2]) / 2, (unit[1] + unit[3]) / 2]
    np.testing.assert_allclose(found.sentence[4:], halfway, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.condition[4:], found.sentence[4:])
    np.testing.assert_array_equal(found.condition[:4], inputs.condition)
    np.testing.assert_allclose(unit_rms(inputs.sentence), unit, rtol=1e-5, atol=1e-6)
    # Noise of its own for each, and none of it D's.
    rows = np.concatenate([found.noise, inputs.noise])
    assert len(np.unique(rows.round(6), axis=0)) == 10


def test_interpolation_alone_keeps_ds_noise_and_fresh_noise_alone_keeps_the_texts():
    between = make_gan("gan_int_cls", fresh_noise=False)
    inputs = between.inputs(make_batch(between.config))
    found = generator_inputs(inputs, between.config)
    np.testing.assert_array_equal(found.noise[:4], inputs.noise)
    assert found.sentence.shape[0] == 6
    fresh = make_gan("stackgan")
    inputs = fresh.inputs(make_batch(fresh.config))
    found = generator_inputs(inputs, fresh.config)
    np.testing.assert_array_equal(found.sentence, inputs.sentence)
    for name in ("noise", "epsilon"):
        assert not np.isin(getattr(found, name).numpy(), getattr(inputs, name).numpy()).any()


@pytest.mark.parametrize("case", ["gan_int_cls", "stackgan"])
def test_gs_step_is_by_its_own_fakes(case):
    """L_G of the step, with Ds that stay, from a pass with the inputs of G's step."""
    gan, twin = (make_gan(case, lr_d=0.0, generator_weights="halves") for _ in range(2))
    batch = make_batch(gan.config)
    report = dict(zip(gan.metrics, gan.train_step(batch).numpy().astype(float)))
    inputs = twin.inputs(batch)
    own, d = generator_inputs(inputs, twin.config), twin.discriminator
    losses = []
    for seen in (own, inputs):
        made = twin.generator(seen.sentence, seen.words, seen.mask, seen.noise, seen.epsilon, training=True)
        logits = d.conditional(d.features(made.image, training=True), seen.condition, training=True)
        losses.append(float(np.mean(np.log1p(np.exp(-logits.numpy().astype(float))))))
    assert report["loss_g/fake_matching"] == pytest.approx(losses[0], rel=2e-4)
    assert abs(losses[0] - losses[1]) > 1e-3 * abs(losses[0])
    kl = 2 * report.get("loss_g/kl", 0)  # by StackGAN's weight
    assert report["loss_g/total"] == pytest.approx(losses[0] / 2 + kl, rel=2e-4)


def test_the_sentence_is_the_mean_of_the_captions(three):
    encoder = three[0].text_encoder
    random = np.random.default_rng(3)
    tokens, lengths = random.integers(1, 30, (3, 4, 5)), random.integers(1, 6, (3, 4))
    sentence, words, mask = read_captions(tf.constant(tokens, tf.int32), tf.constant(lengths, tf.int32), encoder)
    for i in range(3):
        of_each, words_of_each = encoder(tf.constant(tokens[i], tf.int32), tf.constant(lengths[i], tf.int32))
        np.testing.assert_allclose(sentence[i], np.mean(of_each, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(words[i], words_of_each[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(mask[i], np.arange(5) < lengths[i, 0])


def test_without_an_average_samples_are_by_the_weights_themselves():
    gan = make_gan("dfgan")
    assert gan.config.optimisers.ema_decay == 0 and FACTS["dfgan"].defaults["ema_decay"] == 0
    before = values(gan.ema.variables)
    gan.train_step(make_batch(gan.config))
    assert any(changed(before, gan.ema.variables))
    for average, value in zip(gan.ema.variables, gan.generator.variables):
        np.testing.assert_allclose(average, value, rtol=1e-6, atol=1e-9)


def test_a_part_of_a_batch_keeps_what_belongs_together():
    gan = make_gan("gan_int_cls")
    inputs = gan.inputs(make_batch(gan.config))
    parts = inputs.parts(2)
    for name, value, split in zip(Inputs._fields, inputs, parts):
        np.testing.assert_array_equal(np.concatenate(list(split)), value, err_msg=name)
