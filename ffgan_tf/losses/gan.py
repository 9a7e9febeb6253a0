"""Eq. 4 and Eq. 5 as pure functions of logits, and the weights of other published losses of the same terms
(docs/model.md section 5)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf


class DiscriminatorLogits(NamedTuple):
    """D's logits on its five inputs, each (B,); None where D has no unconditional head."""

    real: tf.Tensor | None  # t
    fake: tf.Tensor | None  # t̂
    real_matching: tf.Tensor  # (t | I_s)
    fake_matching: tf.Tensor  # (t̂ | I_s)
    real_mismatching: tf.Tensor  # (t | Î_s)


def minus_log_d(logits: tf.Tensor) -> tf.Tensor:
    """−E[log D] with D = sigmoid(logits), in its stable form softplus(−logits). (B,) → scalar."""
    return tf.reduce_mean(tf.nn.softplus(-logits))


def minus_log_one_minus_d(logits: tf.Tensor) -> tf.Tensor:
    """−E[log(1 − D)] = E[softplus(logits)]. (B,) → scalar."""
    return tf.reduce_mean(tf.nn.softplus(logits))


def minus_margin(logits: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 − logit)], the hinge. Any shape → scalar."""
    return tf.reduce_mean(tf.nn.relu(1 - logits))


def discriminator_terms(logits: DiscriminatorLogits, form: str = "log") -> dict[str, tf.Tensor]:
    """The five unweighted terms of Eq. 4 (with the logarithms missing in print), by input; three where D has no
    unconditional head.

    `form` hinge: max(0, 1 − D) on real and matching, max(0, 1 + D) on the other inputs, D the logit. `relativistic`:
    softplus of a fake's or a wrong pair's logit minus that of its real counterpart (Jolicoeur-Martineau 2018; R3GAN's
    pairing); a real input's term is then its pairs', so that the weights of Eq. 4 add up as before.
    """
    present = {name: value for name, value in logits._asdict().items() if value is not None}
    if form == "relativistic":
        fake_matching = minus_log_d(logits.real_matching - logits.fake_matching)
        mismatching = minus_log_d(logits.real_matching - logits.real_mismatching)
        terms = {
            "real_matching": (fake_matching + mismatching) / 2,
            "fake_matching": fake_matching,
            "real_mismatching": mismatching,
        }
        if logits.real is not None:
            terms["real"] = terms["fake"] = minus_log_d(logits.real - logits.fake)
        return {name: terms[name] for name in present}
    as_real = ("real", "real_matching")
    if form == "hinge":
        return {name: minus_margin(value if name in as_real else -value) for name, value in present.items()}
    return {
        name: minus_log_d(value) if name in as_real else minus_log_one_minus_d(value) for name, value in present.items()
    }


# Of D's terms, by --loss_weights. A term that is left out has no head.
WEIGHTS: dict[str, dict[str, float]] = {
    "paper": {"real": 1 / 2, "fake": 1 / 2, "real_matching": 1 / 3, "fake_matching": 1 / 3, "real_mismatching": 1 / 3},
    # AttnGAN: (real + real|I)/2 + (the three on fakes and wrong pairs)/3.
    "attngan": {
        "real": 1 / 2,
        "real_matching": 1 / 2,
        "fake": 1 / 3,
        "fake_matching": 1 / 3,
        "real_mismatching": 1 / 3,
    },
    # Reed et al.'s GAN-CLS, and StackGAN, DF-GAN and AttnDCGAN after it: real + (fake + wrong)/2, all conditional.
    "gan_cls": {"real_matching": 1, "fake_matching": 1 / 2, "real_mismatching": 1 / 2},
    # StackGAN-v2 judges the images of the wrong pairs as well, unconditionally and as real. Rolled sentences have the
    # real images themselves in those pairs: hence 2.
    "stackgan_v2": {"real": 2, "fake": 1, "real_matching": 1, "fake_matching": 1, "real_mismatching": 1},
}
# Of G's terms, by --generator_weights: Eq. 5's, and everybody else's.
GENERATOR_WEIGHTS: dict[str, dict[str, float]] = {
    "halves": {"fake": 1 / 2, "fake_matching": 1 / 2},
    "ones": {"fake": 1, "fake_matching": 1},
}


def discriminator_loss(terms: dict[str, tf.Tensor], loss_weights: str = "paper") -> tf.Tensor:
    """L_D of Eq. 4 from `discriminator_terms`, weighted by an entry of WEIGHTS. KeyError where D lacks a term of it."""
    return tf.add_n([weight * terms[name] for name, weight in WEIGHTS[loss_weights].items()])


def generator_terms(
    fake: tf.Tensor | None,
    fake_matching: tf.Tensor,
    form: str = "log",
    real: tf.Tensor | None = None,
    real_matching: tf.Tensor | None = None,
) -> dict[str, tf.Tensor]:
    """The two unweighted terms of Eq. 5, non-saturating: −E[log D(t̂)] and −E[log D(t̂|I_s)]; `fake` None: the second.

    `form` hinge: −E[D], D the logit. `relativistic`: softplus of the real images' logits `real` and `real_matching`
    minus the fakes'.
    """
    present = {"fake": (fake, real), "fake_matching": (fake_matching, real_matching)}
    present = {name: pair for name, pair in present.items() if pair[0] is not None}
    if form == "hinge":
        return {name: -tf.reduce_mean(value) for name, (value, _) in present.items()}
    if form == "relativistic":
        return {name: minus_log_d(value - other) for name, (value, other) in present.items()}
    return {name: minus_log_d(value) for name, (value, _) in present.items()}


def projected_discriminator_loss(real: Sequence[tf.Tensor], fake: Sequence[tf.Tensor]) -> tf.Tensor:
    """The mean over heads of E[max(0, 1 − D(t))] + E[max(0, 1 + D(t̂))], D the logit (Sauer et al. 2021, with hinges as
    in their code). Of each head logits of any shape → scalar."""
    return tf.add_n([minus_margin(own) + minus_margin(-other) for own, other in zip(real, fake)]) / len(real)


def projected_generator_loss(fake: Sequence[tf.Tensor]) -> tf.Tensor:
    """The mean over heads of −E[D(t̂)]."""
    return -tf.add_n([tf.reduce_mean(logits) for logits in fake]) / len(fake)


def generator_loss(
    terms: Sequence[Mapping[str, tf.Tensor]], kl: tf.Tensor | None, kl_weight: float, weights: str = "halves"
) -> tf.Tensor:
    """L_G: Eq. 5's terms of each discriminator, weighted by an entry of GENERATOR_WEIGHTS, + λ_KL · KL.

    `kl` None: there is no conditioning augmentation.
    """
    of_each = GENERATOR_WEIGHTS[weights]
    loss = tf.add_n([of_each[name] * value for of_one in terms for name, value in of_one.items()])
    return loss if kl is None else loss + kl_weight * kl


def kl_divergence(mu: tf.Tensor, log_var: tf.Tensor) -> tf.Tensor:
    """−½ · mean(1 + log σ² − μ² − σ²) over batch and features, KL(N(μ, σ²) ‖ N(0, 1)) a feature. (B, c)² → scalar."""
    return -0.5 * tf.reduce_mean(1 + log_var - tf.square(mu) - tf.exp(log_var))


def r1_penalty(gradient: tf.Tensor) -> tf.Tensor:
    """E‖∇_t D(t)‖² of the unconditional logit on real images, of which R1 is γ/2 (Mescheder et al. 2018).

    `gradient` of the logits' sum with respect to the images, (B, …) → scalar.
    """
    return tf.reduce_mean(_square_norm(gradient))


def matching_aware_penalty(of_images: tf.Tensor, of_condition: tf.Tensor) -> tf.Tensor:
    """E[(‖∇_t D(t|I_s)‖² + ‖∇_I D(t|I_s)‖²)³] on real images with their own sentences: MA-GP as in DF-GAN's code.

    Tao et al. 2022 print (‖∇_t D‖ + ‖∇_I D‖)⁶, up to 8 times as much; their code takes one norm of both gradients
    together, to the sixth power, and their weight 2 is that of the code. Gradients of the conditional logits' sum with
    respect to images and condition, (B, …) each → scalar.
    """
    return tf.reduce_mean((_square_norm(of_images) + _square_norm(of_condition)) ** 3)


def _square_norm(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square(x), axis=list(range(1, x.shape.rank)))


def mismatch_index(classes: tf.Tensor) -> tf.Tensor:
    """For each sample the index of another whose caption does not match its image: Î_s = I_s[index].

    The batch rolled by one; where the neighbour is of the same class, the next one of another class. `classes` (B,)
    int → (B,) int32. Raises InvalidArgumentError for a batch of one class only.
    """
    count = tf.shape(classes)[0]
    with tf.control_dependencies(
        [
            tf.debugging.assert_greater(
                tf.reduce_sum(tf.cast(classes != classes[0], tf.int32)),
                0,
                message="a batch of one class only has no mismatching sentence: use a larger --batch or more classes",
            )
        ]
    ):
        # other[i, k] is the sample k+1 after i, wrapping round at the end.
        other = (tf.range(count)[:, None] + tf.range(1, count)[None, :]) % count
    differs = tf.gather(classes, other) != classes[:, None]
    first = tf.argmax(differs, axis=1, output_type=tf.int32)
    return tf.gather(other, first, axis=1, batch_dims=1)
