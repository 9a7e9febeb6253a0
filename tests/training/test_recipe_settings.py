"""The step's settings for recipes: the condition's gradient, D's view of the images, loss forms, lazy penalties."""

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.losses import gan as losses
from ffgan_tf.training.augment import augmented, blurred, numbers_for
from ffgan_tf.training.gan_losses import D_METRICS, gradient_penalty
from tests.training.test_step_variants import LINEAR, freeze_batch_norm, make_batch, make_gan, moved

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")


@pytest.fixture(autouse=True)
def _float32_again():
    yield
    tf.keras.backend.set_floatx("float32")
    tf.keras.mixed_precision.set_global_policy("float32")


def batch_for(kinds: tuple[str, ...]) -> dict[str, tf.Tensor]:
    """A batch with the random numbers that augmentation by `kinds` takes."""
    extra = np.random.default_rng(7).normal(size=(4, 2 * numbers_for(kinds))).astype(np.float32)
    batch = make_batch()
    return {**batch, "noise": tf.concat([batch["noise"], extra], 1)}


@pytest.fixture(scope="module")
def plain():
    """A training state that no test moves."""
    return make_gan(kl_weight=0.0)


@pytest.mark.parametrize("condition", ["ca", "mu"])
def test_the_conditions_gradient_reaches_augmentation_where_it_is_asked_to(condition):
    """Against central differences of Eq. 5 by F_ca's weights: D's condition moves with them, or stays as it was."""
    gan = make_gan(condition=condition, kl_weight=0.0)
    inputs = gan.inputs(make_batch())
    kernel = gan.generator.augment.trainable_variables[0]
    direction = np.random.default_rng(3).normal(size=kernel.shape)

    def value(shift, where):
        kernel.assign_add(shift * direction)
        made = gan.generate(inputs)
        seen = {"ca": made.condition, "mu": made.mu}[condition] if where == "g" else inputs.condition
        features = gan.discriminator.features(made.image, training=True)
        logits = gan.discriminator.unconditional(features), gan.discriminator.conditional(features, seen, training=True)
        kernel.assign_sub(shift * direction)
        return sum(float(losses.minus_log_d(logit)) / 2 for logit in logits)

    slopes = {}
    for where in ("none", "g"):
        gan.config = gan.config.replace(condition_gradient=where)
        with tf.GradientTape() as tape:
            loss, _ = gan.parts.g_loss(inputs, gan.generate(inputs))  # as the step has it
        found = tape.gradient(loss, kernel).numpy()
        slopes[where] = (value(1e-6, where) - value(-1e-6, where)) / 2e-6
        assert abs(slopes[where]) > 1e-6
        assert (found * direction).sum() == pytest.approx(slopes[where], rel=1e-3)
    assert abs(slopes["g"] - slopes["none"]) > 0.01 * abs(slopes["none"])


def test_d_sees_blurred_and_augmented_images_and_the_same_fakes_in_both_steps():
    kinds = ("translation", "cutout")
    gan = make_gan(augment="translation,cutout", d_blur=2.0, d_blur_steps=4)
    gan.step.assign(1)
    batch = batch_for(kinds)
    inputs = gan.inputs(batch)
    quantiles = 0.5 + 0.5 * tf.math.erf(batch["noise"][:, 11:] / np.sqrt(2.0)).numpy()
    np.testing.assert_allclose(inputs.uniform, quantiles, atol=1e-6)

    seen = []
    features = gan.discriminator.features
    gan.discriminator.features = lambda images, training=False: (seen.append(images), features(images, training))[1]
    both = gan.discriminator.features_of_both
    gan.discriminator.features_of_both = lambda real, fake, training=False: (
        seen.extend([real, fake]),
        both(real, fake, training),
    )[1]
    gan.train_step(batch)
    real, fake, again = (np.asarray(images) for images in seen)
    wanted = augmented(blurred(inputs.real, tf.constant(1.5)), tf.constant(quantiles[:, :4]), kinds)
    np.testing.assert_allclose(real, wanted, atol=1e-5)
    np.testing.assert_allclose(fake, again, atol=1e-12)  # the generator has not moved between them
    assert np.abs(real - inputs.real.numpy()).max() > 0.1


def test_the_blur_is_gone_after_its_steps():
    blurring = make_gan(d_blur=2.0, d_blur_steps=4)
    inputs = blurring.inputs(make_batch())
    for step, same in ((3, False), (4, True), (9, True)):
        blurring.step.assign(step)
        shown = blurring.shown_to_d(inputs, (inputs.real,))[0].inputs.real.numpy()
        assert np.allclose(shown, inputs.real.numpy()) == same


@pytest.mark.parametrize("form, detail", [("hinge", 0.0), ("relativistic", 0.0), ("relativistic", 7.0), ("log", 7.0)])
def test_adversarial_forms_and_the_finest_detail_reach_both_steps(form, detail, plain):
    """The step's totals from logits taken apart from it: D's before its update, G's after."""
    gan = make_gan(adversarial=form, kl_weight=0.0, d_detail=detail)
    plain = make_gan(kl_weight=0.0, d_detail=detail) if detail else plain
    report = moved(gan, make_batch())[1]
    inputs = plain.inputs(make_batch())  # it has the weights from before the step
    fake = plain.generate(inputs).image

    def logits(d, images, condition):
        features = d.features(images, training=True)
        return d.unconditional(features, images), d.conditional(features, condition, training=True)

    real, matching = logits(plain.discriminator, inputs.real, inputs.condition)
    false, false_matching = logits(plain.discriminator, fake, inputs.condition)
    wrong = logits(plain.discriminator, inputs.real, inputs.wrong)[1]
    terms = losses.discriminator_terms(losses.DiscriminatorLogits(real, false, matching, false_matching, wrong), form)
    assert report["loss_d/total"] == pytest.approx(float(losses.discriminator_loss(terms)), rel=1e-5)

    real, matching = logits(gan.discriminator, inputs.real, inputs.condition)
    false, false_matching = logits(gan.discriminator, fake, inputs.condition)
    terms = losses.generator_terms(false, false_matching, form, real, matching)
    assert report["loss_g/total"] == pytest.approx(float(losses.generator_loss([terms], None, 0.0)), rel=1e-5)


def test_a_lazy_penalty_comes_every_so_many_steps_and_weighs_as_many():
    """In the report and in D's gradients: those with it, less those without, are three times the penalty's own."""
    gan = make_gan(gradient_penalty="r1", penalty_every=3, penalty_weight=5.0)
    d, inputs = gan.discriminator, gan.inputs(make_batch())
    fakes = gan.generate(inputs).images
    with tf.GradientTape() as tape:
        once = gradient_penalty("r1", d, inputs)
    own = tape.gradient(once, d.trainable_variables, unconnected_gradients="zero")
    found = []
    for step in range(4):
        gan.step.assign(step)
        (gradients,), values = gan.parts.d_gradients(inputs, fakes)
        found.append((gradients, float(values[D_METRICS.index("loss_d/penalty")])))
    assert [penalty for _, penalty in found] == pytest.approx([3 * float(once), 0, 0, 3 * float(once)], rel=1e-5)
    assert float(once) > 0
    for with_it, without, share in zip(found[3][0], found[2][0], own):
        np.testing.assert_allclose(with_it - without, 5 * 3 * share, rtol=1e-6, atol=1e-9)


def test_accumulated_parts_keep_their_images_random_numbers():
    """Parts of a batch see what the whole batch would: with D's norm off, and G's frozen, the same gradients."""
    kinds, changes = "translation,cutout,colour", []
    for parts in (1, 2):
        gan = make_gan(augment=kinds, d_norm="none", accumulate=parts, **LINEAR)
        freeze_batch_norm(gan)
        changes.append(moved(gan, batch_for(tuple(kinds.split(","))))[0])
    for whole, accumulated in zip(*changes):
        np.testing.assert_allclose(accumulated, whole, rtol=0, atol=1e-9)
