"""A step with `--d_projected`: what its losses are, whom they move, what a run keeps of it."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from families import SMALL
from frozen import linear_maps
from runs import state
from test_gan_step import SMALL as STEP
from test_gan_step import make_batch

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.checks import check
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import build
from ffgan_tf.run import settings as run_settings
from ffgan_tf.training.gan_loop import train
from ffgan_tf.training.gan_setup import make_text_encoder
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.training.warm_start import begin_with
from ffgan_tf.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")


def make_gan(**settings) -> Gan:
    config = TrainConfig.of(**{**STEP, "d_projected": 2.0, "kl_weight": 0.0, **settings})
    text_encoder = build.build_text_encoder(30, 1.0, config.schedule.seed)
    return Gan(config, text_encoder, frozen_maps=linear_maps if config.model.d_projected else None)


def copied(target: Gan, source: Gan) -> Gan:
    """`target` with the weights of `source`."""
    for own, other in ((target.generator, source.generator), (target.discriminator, source.discriminator)):
        for variable, value in zip(own.variables, other.variables, strict=True):
            variable.assign(value)
    return target


@pytest.mark.parametrize("side, settings", [(64, {}), (128, {"d_side": 64, "d_detail": 5.0})])
def test_the_heads_have_losses_of_their_own_in_both_steps(side, settings):
    """Both totals are Eq. 4's and 5's of the same step without them, plus 2 times the heads'; of images at the side
    that D looks at."""
    gan = make_gan(image_size=side, **settings)
    before = copied(make_gan(image_size=side, **settings), gan)
    batch = make_batch(side=side)
    inputs = before.inputs(batch)
    means = (4, 64, side // 64, 64, side // 64, 3)
    real, fake = (np.reshape(x, means).mean(axis=(2, 4)) for x in (inputs.real, before.generate(inputs).image))
    report = dict(zip(gan.metrics, gan.train_step(batch).numpy()))
    judge = before.discriminator.projected
    wanted = losses.projected_discriminator_loss(
        judge(linear_maps(real), training=True), judge(linear_maps(fake), training=True)
    )
    assert report["loss_d/projected"] == pytest.approx(float(wanted), rel=1e-5)
    terms = sum(share * report[f"loss_d/{name}"] for name, share in losses.WEIGHTS["paper"].items())
    assert report["loss_d/total"] == pytest.approx(terms + 2 * float(wanted), rel=1e-5)

    after = gan.discriminator.projected(linear_maps(fake), training=True)
    assert report["loss_g/projected"] == pytest.approx(float(losses.projected_generator_loss(after)), rel=1e-3)
    terms = report["loss_g/fake"] / 2 + report["loss_g/fake_matching"] / 2
    assert report["loss_g/total"] == pytest.approx(terms + 2 * report["loss_g/projected"], rel=1e-5)


def test_g_and_the_heads_follow_them_and_the_trunk_does_not():
    """The gradients with the heads less those without: none at D's trunk, all of the heads', another G's."""
    gan = make_gan()
    plain = make_gan(d_projected=0.0)
    for variable, value in zip(plain.generator.variables, gan.generator.variables, strict=True):
        variable.assign(value)
    own = {variable.name: variable for variable in gan.discriminator.variables}
    for variable in plain.discriminator.variables:
        variable.assign(own[variable.name])
    inputs, found = plain.inputs(make_batch()), {}
    for key, one in (("with", gan), ("without", plain)):
        (of_d,), _ = one.parts.d_gradients(inputs, one.generate(inputs).images)
        of_g, _ = one._g_gradients(inputs)
        names = [variable.name for variable in one.discriminator.trainable_variables]
        found[key] = dict(zip(names, of_d, strict=True)), of_g
    (with_d, with_g), (without_d, without_g) = found["with"], found["without"]
    for name, gradient in without_d.items():
        np.testing.assert_allclose(with_d[name], gradient, rtol=1e-4, atol=1e-7, err_msg=name)
    of_heads = {name: value for name, value in with_d.items() if name not in without_d}
    assert len(of_heads) == len(gan.discriminator.projected.trainable_variables)
    assert all(np.any(value) for value in of_heads.values())
    difference = tf.linalg.global_norm([one - other for one, other in zip(with_g, without_g)])
    assert difference > 0.1 * tf.linalg.global_norm(without_g)


def config_of(records, **settings) -> TrainConfig:
    given = {"batch": 4, "log_every": 1, "sample_every": 9, "checkpoint_every": 1, "seed": 7, "d_projected": 1.0}
    config = TrainConfig.of_given(**{**SMALL, **given, "data": str(records), "image_size": 64, **settings})
    check(config)
    return config


def trained(config: TrainConfig, folder):
    run_settings.save(config, folder)
    assert train(config, folder) == 0
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights in the layout of Keras's `_notop.h5`."""
    tf.keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("weights") / "inception_v3_notop.h5"
    tf.keras.applications.InceptionV3(include_top=False, weights=None).save_weights(path)
    return path


@pytest.mark.slow
def test_a_run_continues_bitwise_and_hands_its_heads_on(tiny_records, weights, tmp_path, capsys):
    settings = {"trunk_weights": str(weights)}
    whole = trained(config_of(tiny_records, steps=3, **settings), tmp_path / "whole")
    parts = shutil.copytree(whole, tmp_path / "parts")
    shutil.rmtree(parts / "checkpoints" / "step-00000003")
    trained(config_of(tiny_records, steps=3, **settings), parts)
    one, other = state(whole, 3), state(parts, 3)
    assert one.keys() == other.keys() and any("projected/heads" in name for name in one)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    assert not any("Mixed_" in name or "Conv2d_" in name for name in one)  # the frozen network is not saved
    mixing = [name for name in one if "projected/projection" in name]
    drawn = state(whole, 1)
    assert len(mixing) == 7 and all(np.array_equal(one[name], drawn[name]) for name in mixing)
    assert "projected" in capsys.readouterr().out

    config = config_of(tiny_records, init_from=str(whole), seed=8, **settings)
    text_encoder = make_text_encoder(config, Vocabulary.load(whole / "vocabulary.json"))
    gan = Gan(config, text_encoder, frozen_maps=linear_maps)
    begin_with(gan, lambda: iter(()))
    gan.checkpoint().write(str(tmp_path / "next" / "checkpoints" / "step-00000001" / "state"))
    begun = state(tmp_path / "next", 1)
    for name in (name for name in one if "projected" in name and name.endswith("kernel/.ATTRIBUTES/VARIABLE_VALUE")):
        if "optimizer" not in name.lower() and "OPTIMIZER_SLOT" not in name:
            np.testing.assert_array_equal(begun[name], one[name], err_msg=name)


def test_without_its_weights_a_run_says_what_to_fetch(tiny_records, tmp_path):
    config = config_of(tiny_records, steps=1, trunk_weights=str(tmp_path / "none_notop.h5"))
    with pytest.raises(UserError, match="(?s)none_notop.h5 is missing; --d_projected needs.*or train without --d_pro"):
        train(config, tmp_path / "run")
