"""Eq. 4 and Eq. 5 on a part of a batch, with what a step reports of them (docs/model.md section 5)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from ffgan_tf.config.train import LossConfig
from ffgan_tf.losses import damsm
from ffgan_tf.losses import gan as losses
from ffgan_tf.models.discriminator import Discriminator
from ffgan_tf.models.generator import Generated
from ffgan_tf.training.gan_inputs import Inputs

# What a step reports, in this order. `D/…` are D's mean outputs, as probabilities, on its five inputs.
TERMS = ("real", "fake", "real_matching", "fake_matching", "real_mismatching")
CONDITIONAL = TERMS[2:]  # all there are where D has no unconditional head
G_TERMS = ("fake", "fake_matching")
PROJECTED = ("projected",)  # and of D's projected heads, where it has some


def d_metrics(terms: tuple[str, ...] = TERMS, side: str = "", projected: bool = False) -> tuple[str, ...]:
    """What a discriminator reports; `side` marks the one of a smaller image, as in `loss_d64/real`; `projected`: it has
    projected heads."""
    losses_of = (f"loss_d{side}/{term}" for term in (*terms, "penalty", *PROJECTED[:projected], "total"))
    return (*losses_of, *(f"D{side}/{term}" for term in terms))


def g_metrics(
    terms: tuple[str, ...] = TERMS, sides: tuple[str, ...] = ("",), augments: bool = True, projected: bool = False
) -> tuple[str, ...]:
    """What G reports, `sides` and `projected` as in `d_metrics`; `augments`: it has conditioning augmentation."""
    own = (*(term for term in G_TERMS if term in terms), *PROJECTED[:projected])
    adversarial = (f"loss_g{side}/{term}" for side in sides for term in own)
    kl, spread = (("loss_g/kl",), ("text/mu_spread",)) if augments else ((), ())
    return (*adversarial, *kl, "loss_g/damsm", "loss_g/total", *spread)


D_METRICS, G_METRICS = d_metrics(), g_metrics()


class Judged(NamedTuple):
    """What one discriminator is shown of a part, its images as `augment.shown_to_d` makes them."""

    d: Discriminator
    inputs: Inputs  # `real` of the side that D judges
    fake: tf.Tensor  # as large


def terms_of(d: Discriminator) -> tuple[str, ...]:
    """The inputs that a discriminator has heads for."""
    return TERMS if d.has_unconditional else CONDITIONAL


def discriminator_part(
    d: Discriminator,
    penalised: Discriminator,
    inputs: Inputs,
    fake: tf.Tensor,
    config: LossConfig,
    step: tf.Variable,
    frozen_maps: Callable | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """L_D (Eq. 4) with `--gradient_penalty` of `penalised`, D or its float32 twin, and with the loss of its projected
    heads where there are `frozen_maps` for them; scalar and `d_metrics`, float32.

    `inputs.real` and `fake` are images as D sees them (`augment.shown_to_d`).
    """
    real_features, fake_features = d.features_of_both(inputs.real, fake, training=True)
    logits = losses.DiscriminatorLogits(
        d.unconditional(real_features, inputs.real),
        d.unconditional(fake_features, fake),
        d.conditional(real_features, inputs.condition, training=True),
        d.conditional(fake_features, inputs.condition, training=True),
        d.conditional(real_features, inputs.wrong, training=True),
    )
    terms = losses.discriminator_terms(logits, config.adversarial)
    penalty = lazy_penalty(config, penalised, inputs, step)
    loss = losses.discriminator_loss(terms, config.loss_weights)
    loss += config.penalty_weight * tf.cast(penalty, loss.dtype)
    projected = []
    if frozen_maps and d.projected:
        judged = (d.projected(frozen_maps(d.reduced(images)), training=True) for images in (inputs.real, fake))
        projected = [losses.projected_discriminator_loss(*judged)]
        loss += d.projected.weight * tf.cast(projected[0], loss.dtype)
    values = [
        *(terms[term] for term in terms_of(d)),
        penalty,
        *projected,
        loss,
        *(tf.reduce_mean(tf.sigmoid(getattr(logits, term))) for term in terms_of(d)),
    ]
    return loss, _report(values)


def lazy_penalty(config: LossConfig, d: Discriminator, inputs: Inputs, step: tf.Variable) -> tf.Tensor:
    """`gradient_penalty` times `--penalty_every` at each step that is a multiple of it; 0 at the others."""
    kind, every = config.gradient_penalty, config.penalty_every
    if every == 1 or kind == "none":
        return gradient_penalty(kind, d, inputs)
    return tf.cond(
        step % every == 0,
        lambda: every * tf.cast(gradient_penalty(kind, d, inputs), tf.float32),
        lambda: tf.constant(0.0),
    )


def gradient_penalty(kind: str, d: Discriminator, inputs: Inputs) -> tf.Tensor:
    """`--gradient_penalty` of D on real images, by this batch's batch-norm statistics; 0 for `none`."""
    if kind == "none":
        return tf.constant(0.0)
    real, condition = (tf.cast(value, d.compute_dtype) for value in (inputs.real, inputs.condition))
    with tf.GradientTape() as tape:
        tape.watch([real, condition])
        features = d.features(real, training=True)
        logits = d.unconditional(features, real) if kind == "r1" else d.conditional(features, condition, training=True)
        score = tf.reduce_sum(logits)
    if kind == "r1":
        return losses.r1_penalty(tape.gradient(score, real))
    return losses.matching_aware_penalty(*tape.gradient(score, [real, condition]))


def generator_part(
    judged: Sequence[Judged],
    inputs: Inputs,
    generated: Generated,
    config: LossConfig,
    step: tf.Variable,
    image_encoder: Callable | None,
    frozen_maps: Callable | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """L_G (Eq. 5), with DAMSM's loss of the largest fakes where there is an image encoder, and that of each D's
    projected heads where there are `frozen_maps` for them; scalar and `g_metrics`, float32.

    `judged`: what each discriminator sees, small to large. The gradient by its `inputs.condition` is G's wherever that
    comes from G.
    """
    terms = [_generator_terms(*one, config.adversarial) for one in judged]
    kl = None if generated.mu is None else losses.kl_divergence(generated.mu, generated.log_var)
    weight = 0.0 if kl is None else kl_weight(config, step, kl.dtype)
    loss = losses.generator_loss(terms, kl, weight, config.generator_weights)
    matching = tf.zeros([], loss.dtype)
    if image_encoder:
        regions, codes = image_encoder(tf.cast(generated.image, tf.float32))
        four = damsm.damsm_losses(regions, codes, inputs.words, inputs.sentence, inputs.mask, inputs.classes)
        matching = tf.cast(tf.add_n(list(four.values())), loss.dtype)
        loss += config.damsm_weight * matching
    for of_one, (d, _, fake) in zip(terms, judged):
        if frozen_maps and d.projected:
            judged_maps = d.projected(frozen_maps(d.reduced(fake)), training=True)
            of_one["projected"] = losses.projected_generator_loss(judged_maps)
            loss += d.projected.weight * tf.cast(of_one["projected"], loss.dtype)
    values = [*(of_one[name] for of_one in terms for name in of_one), kl, matching, loss]
    if generated.mu is not None:
        values.append(tf.reduce_mean(tf.math.reduce_std(generated.mu, axis=0)))
    return loss, _report([value for value in values if value is not None])


def _generator_terms(d: Discriminator, inputs: Inputs, fake: tf.Tensor, form: str) -> dict[str, tf.Tensor]:
    """Eq. 5's terms of one discriminator."""
    real, real_matching = None, None
    if form == "relativistic":
        real, real_matching = d(inputs.real, tf.stop_gradient(inputs.condition), training=True)
    logits, logits_matching = d(fake, inputs.condition, training=True)
    return losses.generator_terms(logits, logits_matching, form, real, real_matching)


def kl_weight(config: LossConfig, step: tf.Variable, dtype: tf.DType) -> tf.Tensor | float:
    """λ_KL, rising linearly from 0 over `--kl_warmup` steps."""
    if not config.kl_warmup:
        return config.kl_weight
    return config.kl_weight * tf.minimum(tf.cast(step, dtype) / config.kl_warmup, 1.0)


def _report(values: list[tf.Tensor]) -> tf.Tensor:
    return tf.stack([tf.cast(value, tf.float32) for value in values])
