"""A new run that begins with the weights of another (`--init_from`): larger images, other data, other losses."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.config import ModelConfig, TrainConfig
from ffgan_tf.models import blocks, build
from ffgan_tf.models.generator import Generator, Stage1
from ffgan_tf.run import model_file, source
from ffgan_tf.run.encoder_files import weight_names, weights_of
from ffgan_tf.run.sampler import choose_step, restore_chosen
from ffgan_tf.training.doubling import Texts, add_stage, coarse, double, hindrance
from ffgan_tf.training.gan_inputs import read_captions
from ffgan_tf.training.gan_step import Gan, discriminator_names
from ffgan_tf.training.growth import SENTENCES, WORDS, grow
from ffgan_tf.training.teaching import teach
from ffgan_tf.utils.errors import UserError

Weights = Mapping[str, np.ndarray]  # a network's, by their names
MOVED = "its stages begin as those of the same scale there, so that it draws those images, enlarged"


class Begun(NamedTuple):
    """The networks that a run begins with, and their step."""

    step: int
    generator: Weights
    discriminators: list[Weights]  # small to large; none in a model file
    text_encoder: Weights


def begin_with(gan: Gan, batches: Callable[[], Iterator]) -> str:
    """Gives a new run's G and EMA the EMA of `--init_from`, its Ds the weights of those for images of the same size;
    returns what to tell of it.

    A weight is taken where both networks have one of that name and shape; the others stay as they were drawn, and
    Adam's moments are zero. `batches`: the run's own, from the first on, for `--init_steps`. Raises UserError where
    that is no model of the same family and widths, or no whole one, or has nothing to teach.
    """
    given, own = gan.config.init_from, gan.config.model
    found = source.find(given)
    theirs = found.config.model
    if theirs.family != own.family:
        raise UserError(
            f"--init_from={given} is of --family={theirs.family}. Fix: name one of --family={own.family}, "
            "or leave it out."
        )
    check_same(("ngf",) if found.file else ("ngf", "ndf"), own, theirs, given)
    begun = _of_file(found.file) if found.file else _of_run(found.path, found.config, len(found.vocabulary))
    told = [f"begins with {given}, step {begun.step:,}: {_taken('generator', begun.generator, gan.generator)}"]
    if isinstance(getattr(gan.generator, "stage1", None), Stage1) and theirs.f1_side < own.f1_side:
        told.append(_enlarge(gan, theirs, begun.generator, batches))
    elif gan.config.init_steps:
        raise _nothing_to_learn(gan.config, f"F1 is not larger than {theirs.f1_side}x{theirs.f1_side}, as there")
    if theirs.generator_stages < own.generator_stages:
        told.append(_add_stage(gan, theirs))
    if own.enlarge and not theirs.enlarge:
        told.append("its last map is doubled, and what follows is hardly heard at first")
    told.extend(_judges(gan, theirs, begun.discriminators))
    gan.copy_to_average()
    # A model file may hold float16.
    if not same_weights(begun.text_encoder, weights_of(gan.text_encoder), 1e-3 if found.file else 0.0):
        told.append("its text encoder was another: what G knows of sentences has to be learnt again")
    return "; ".join(told)


def _judges(gan: Gan, theirs: ModelConfig, weights: list[Weights]) -> list[str]:
    """Gives each D the weights of the one whose trunk looks at images of its side there; returns what to tell of each.

    One of another side would see its layers' patterns at another scale: trained on, it stays at chance for longer than
    a new one. So would the branches of `--d_detail` where only S is another.
    """
    if not weights:
        return ["a model file has no discriminator: this run's is new"]
    there, own = dict(zip(theirs.judged_sides, weights)), gan.config.model
    if theirs.image_size != own.image_size:
        there = {side: _without(one, "detail/") for side, one in there.items()}
    return [
        _taken(name, there[side], target)
        if side in there
        else f"{name}: none there judges images of {side}x{side}, so it is new"
        for name, side, target in zip(discriminator_names(own), own.judged_sides, gan.discriminators, strict=True)
    ]


def _of_file(file: model_file.ModelFile) -> Begun:
    model, tensors = model_file.read(file.path)
    return Begun(model.step, _part(tensors, "generator/"), [], _part(tensors, "text_encoder/"))


def _part(weights: Weights, prefix: str) -> Weights:
    """Those whose names begin so, without that beginning."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def _without(weights: Weights, prefix: str) -> Weights:
    """Those whose names do not begin so."""
    return {name: value for name, value in weights.items() if not name.startswith(prefix)}


def _of_run(run: Path, config: TrainConfig, words: int) -> Begun:
    precision, sync = config.devices.precision, config.devices.sync_batch_norm
    with blocks.blank_weights():
        encoder = build.build_text_encoder(words)
        generator = build.build_generator(config.model, precision, sync)
        discriminators = build.build_discriminators(config.model, precision, sync)
    of_d = dict(zip(discriminator_names(config.model), discriminators))
    checkpoint = tf.train.Checkpoint(text_encoder=encoder, ema=generator, **of_d)
    step = restore_chosen(checkpoint, run, choose_step(run), newest=True)
    return Begun(step, weights_of(generator), [weights_of(d) for d in discriminators], weights_of(encoder))


def _enlarge(gan: Gan, smaller: ModelConfig, begun: Weights, batches: Callable[[], Iterator]) -> str:
    """Gives G the images of a smaller one, larger, on random sentences, the same by the same `--seed`; tells how."""
    texts, config = _random_texts(gan), gan.config
    ours = isinstance(gan.generator, Generator)
    hindered = hindrance(config.model, smaller)
    if smaller.generator_stages == 2:
        hindered = "--generator_stages=2 there"
    if not ours or hindered:
        if config.init_steps:
            raise _nothing_to_learn(config, f"its stages cannot move with their scale ({hindered})")
        grow(gan.generator.stage1, _part(begun, "stage1/"), coarse(gan.generator, texts))
        told = "what is new there begins as a bilinear enlargement"
        return f"{told}: its stages cannot move with their scale ({hindered})" if ours else told
    with blocks.blank_weights():
        first = build.build_generator(smaller)
    _taken("generator", begun, first)
    side = config.model.image_size * 2 * smaller.f1_side // config.model.f1_side
    # In float32, whatever the run's --precision.
    twice = build.build_generator(
        dataclasses.replace(config.model, image_size=side), sync=config.devices.sync_batch_norm
    )
    _taken("generator", begun, twice)
    double(twice, first, texts)
    told = MOVED
    if config.init_steps:
        teach(twice, first, batches(), lambda batch: _texts_of(gan, batch), config.init_steps)
        told += f", stage 1 by --init_steps={config.init_steps}"
    weights = weights_of(twice)
    _taken("generator", weights, gan.generator)
    if side == config.model.image_size:
        return told
    # To double twice would put plain ups in place of all that was trained at these scales: woven patches, by eye.
    grow(gan.generator.stage1, _part(weights, "stage1/"), coarse(gan.generator, texts))
    return f"{told} as at S = {side}, then by stage 1's new up"


def _add_stage(gan: Gan, smaller: ModelConfig) -> str:
    """Stage 3 of a generator whose first two were trained alone (`--generator_stages=2`); tells how it begins."""
    if hindered := hindrance(gan.config.model, smaller):
        return f"stage 3 begins as it was drawn ({hindered})"
    add_stage(gan.generator)
    return "a new stage 3, hardly heard at first, enlarges its images"


def _nothing_to_learn(config: TrainConfig, reason: str) -> UserError:
    return UserError(
        f"--init_steps={config.init_steps}: this run's stage 1 has nothing to learn from --init_from="
        f"{config.init_from}: {reason}. Fix: leave it out."
    )


def _texts_of(gan: Gan, batch: Mapping[str, tf.Tensor]) -> Texts:
    """A batch of the run's captions and noise."""
    model = gan.config.model
    noise, epsilon, _ = tf.split(batch["noise"], [model.z_dim, model.epsilon_dim, -1], axis=1)
    return Texts(*read_captions(batch["tokens"], batch["lengths"], gan.text_encoder), noise, epsilon)


def _random_texts(gan: Gan) -> Texts:
    """So many random words as sentences, with their noise."""
    model, seed = gan.config.model, (gan.config.schedule.seed, 0)
    tokens = tf.random.stateless_uniform((SENTENCES, WORDS), seed, 1, gan.text_encoder.n_words, tf.int32)
    sentence, words = gan.text_encoder(tokens, tf.fill([SENTENCES], WORDS))
    numbers = tf.random.stateless_normal((SENTENCES, model.epsilon_dim + model.z_dim), seed)
    epsilon, noise = tf.split(numbers, [model.epsilon_dim, model.z_dim], axis=1)
    return Texts(sentence, words, tf.ones((SENTENCES, WORDS), bool), noise, epsilon)


def _taken(name: str, weights: Weights, target: tf.keras.Model) -> str:
    """Gives `target` those of the weights that fit, and says how many, and which layers are new."""
    taken, everything, anew = 0, 0, []
    for weight, variable in zip(weight_names(target), target.variables):
        numbers = int(np.prod(variable.shape))
        everything += numbers
        if weight in weights and weights[weight].shape == tuple(variable.shape):
            variable.assign(weights[weight])
            taken += numbers
        else:
            anew.append("/".join(weight.split("/")[:2]))
    new = f", new: {', '.join(dict.fromkeys(anew))}" if anew else ""
    return f"{name} takes {taken:,} of its {everything:,} weights{new}"


def check_same(names: Iterable[str], own: ModelConfig, other: ModelConfig, run: str | Path) -> None:
    """Raises UserError where one of these settings is not that of the run `--init_from`."""
    for name in names:
        if (here := getattr(own, name)) != (there := getattr(other, name)):
            raise UserError(f"--{name}={here}: --init_from={run} was trained with {there}. Fix: --{name}={there}.")


def same_weights(one: Weights, other: Weights, tolerance: float = 0.0) -> bool:
    """Whether two networks have the same weights: to the bit, or up to a relative `tolerance`."""
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape
        and np.allclose(one[name], other[name], rtol=tolerance, atol=1e-3 * tolerance)
        for name in one
    )
