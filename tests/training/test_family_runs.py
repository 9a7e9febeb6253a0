"""Runs of every family from start to images: checkpoints, resuming, precision, parts of a batch, XLA, the sampler.

Each family has some of the features, so that every feature is met by several families at little cost.
"""

import shutil

import numpy as np
import pytest
from families import STAGE2, make_batch, settings_of
from runs import assert_equal_state, logged, state

import ffgan_tf
from ffgan_tf.config import TrainConfig
from ffgan_tf.config.checks import check
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run import settings as run_settings
from ffgan_tf.run.sampler import load_run
from ffgan_tf.training.first_stage import load_first_stage
from ffgan_tf.training.gan_loop import train
from ffgan_tf.training.gan_setup import make_text_encoder
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

FEATURES = {
    "ffgan": {"discriminators": 3, "word_attention": False, "fusion": "none"},
    "gan_int_cls": {"accumulate": 2, "precision": "mixed_bfloat16"},
    "stackgan": {"lr_halve_every": 1, "batch": 12},
    "stackgan_v2": {"accumulate": 2, "augment": "translation,cutout"},
    "attngan": {"precision": "mixed_float16", "steps_per_call": 2},
    "attndcgan": {"jit_compile": True, "adversarial": "relativistic", "clip_norm": 1.0},
    "resfpa": {"precision": "mixed_bfloat16", "d_blur": 1.0, "d_blur_steps": 10},
    "dfgan": {"penalty_every": 2, "ema_decay": 0.9},
}
# Those that continue: noise of the generator's own and no average; three discriminators and float16's scales.
# (StackGAN's second stage does so below, FF-GAN in test_train_cli.py.)
CONTINUED = ("gan_int_cls", "attngan")
EXPLAINED = ("ffgan", "attngan", "dfgan")  # without attention, with it, without augmentation
SCHEDULE = {"steps": 2, "log_every": 1, "sample_every": 2, "checkpoint_every": 1, "grid_captions": 3, "seed": 7}


def config_of(records, case: str, **settings) -> TrainConfig:
    config = TrainConfig.of_given(**settings_of(case, data=str(records), **{**SCHEDULE, **settings}))
    check(config)
    return config


@pytest.fixture(scope="module")
def stage1(tiny_records, tmp_path_factory):
    """A run of StackGAN's first stage, two steps; its rates are halved after the first epoch, of two batches of 12."""
    folder = tmp_path_factory.mktemp("stage1") / "run"
    config = config_of(tiny_records, "stackgan", **FEATURES["stackgan"], steps=3)
    run_settings.save(config, folder)
    assert train(config, folder) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("family", [family for family in FEATURES if family != "stackgan"])
def test_a_run_stops_continues_and_draws(family, tiny_records, tmp_path):
    """Two steps at once and one after one leave the same checkpoint, bit for bit; the run then draws and explains."""
    config = config_of(tiny_records, family, **FEATURES[family])
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(config, whole)
    if family in CONTINUED:
        shutil.copytree(whole, stopped)
        shutil.rmtree(stopped / "checkpoints" / "step-00000002")
        train(config, stopped)
        assert_equal_state(whole, stopped, 2)
    told = [value for line in logged(whole) for name, value in line.items() if name.startswith("loss_")]
    assert len(told) > 10 and np.isfinite(told).all()  # not the gradients' norms: float16 finds its scale by trying

    model = ffgan_tf.load(whole)
    images = model.generate(["a red bird number 3", "a blue bird with a wing"], count=2)
    assert images.shape == (4, 64, 64, 3) and images.dtype == np.uint8
    assert not np.array_equal(images[0], images[1])  # noise
    assert sorted((whole / "samples").glob("step-00000002.*"))
    if family in EXPLAINED:
        found = model.explain("a red bird number 3")
        np.testing.assert_array_equal(found.image, images[0])
        assert len(found.attention) == (2 if family == "attngan" else 0)


@pytest.mark.slow
def test_rates_are_halved_by_the_step(stage1):
    """24 images, batches of 12, halved after each epoch: the third step is the first of the second epoch."""
    rates = [line["learning_rate/g"] for line in logged(stage1)]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4])  # what the step that is reported was taken by
    for step, rate in enumerate(rates, 1):  # the optimisers' own, in one sitting: the log computes its figure apart
        saved = state(stage1, step)
        for name in ("optimizer_g/_learning_rate", "optimizer_d/_learning_rate"):
            assert float(saved[f"{name}/.ATTRIBUTES/VARIABLE_VALUE"]) == pytest.approx(rate)


def stage2(stage1, seed: int = 7, **settings) -> Gan:
    """A new Stage II, with the text encoder that training would draw."""
    vocabulary = Vocabulary.load(stage1 / "vocabulary.json")
    config = TrainConfig.of_given(**settings_of(STAGE2, init_from=str(stage1), seed=seed, **settings))
    check(config)
    return Gan(config, make_text_encoder(config, vocabulary))


@pytest.mark.slow
def test_stage_two_begins_with_stage_one_and_keeps_it(stage1):
    gan, first = stage2(stage1), load_run(stage1).generator
    assert load_first_stage(gan) == 3
    assert len(first.variables) == len(gan.generator.first.variables) > 20
    batch = make_batch(gan.config)
    gan.train_step({**batch, "tokens": batch["tokens"] % gan.text_encoder.n_words})
    for kept in (gan.generator.first, gan.ema.first):
        for own, variable in zip(kept.variables, first.variables, strict=True):
            np.testing.assert_array_equal(own, variable, err_msg=variable.name)


@pytest.mark.slow
def test_the_second_run_reads_the_first_once(stage1, large_records, tmp_path):
    """It goes on from its own checkpoint where the first run's folder is gone."""
    first = tmp_path / "first"
    shutil.copytree(stage1, first)
    config = config_of(large_records, STAGE2, init_from=str(first), steps=1)
    assert train(config, tmp_path / "run") == 0
    shutil.rmtree(first)
    assert train(config.replace(steps=2), tmp_path / "run") == 0
    kept, began = state(tmp_path / "run", 2), state(stage1, 3)
    names = [name for name in began if name.startswith("ema/") and "VARIABLE" in name]
    assert len(names) > 20
    for network in ("generator", "ema"):
        for name in names:
            same = name.replace("ema/", f"{network}/first/", 1)
            np.testing.assert_array_equal(kept[same], began[name], err_msg=name)


@pytest.mark.slow
def test_a_first_stage_that_does_not_fit_is_told(stage1, tiny_records, tmp_path):
    with pytest.raises(UserError, match="--c_dim=9: --init_from=.* was trained with 5"):
        load_first_stage(stage2(stage1, c_dim=9))
    with pytest.raises(UserError, match="reads sentences by another text encoder"):
        load_first_stage(stage2(stage1, seed=8))
    run_settings.save(config_of(tiny_records, "dfgan"), tmp_path)
    shutil.copy(stage1 / "vocabulary.json", tmp_path)
    with pytest.raises(UserError, match="is a run of --family=dfgan --stage=1. Fix: .*--family=stackgan --stage=1"):
        load_first_stage(stage2(tmp_path))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"family": "dfgan", "loss_weights": "paper"}, "--loss_weights=paper: DF-GAN's.*no unconditional head"),
        ({"loss_weights": "gan_cls"}, "--loss_weights=gan_cls: FF-GAN's.*has an unconditional head.*Fix: .*=paper"),
        (
            {"family": "attndcgan", "d_detail": 15.0},
            "--d_detail=15: AttnDCGAN.s .* no unconditional head. Fix: leave it",
        ),
        ({"family": "stackgan", "gradient_penalty": "r1"}, "--gradient_penalty=r1: StackGAN's"),
        ({"interpolate": True, "adversarial": "relativistic"}, "--interpolate and --adversarial=relativistic"),
        (
            {"captions_mean": 4, "damsm_weight": 1.0, "image_encoder": "i", "text_encoder": "t"},
            "--damsm_weight=1 wants images of one caption each",
        ),
        ({"family": "stackgan", "stage": 2, "image_size": 256}, "--stage=2 begins with .* Fix: --init_from=RUN"),
    ],
)
def test_what_contradicts_the_family_is_told(settings, message):
    with pytest.raises(UserError, match=message):
        check(TrainConfig.of_given(**settings))


def test_a_familys_defaults_give_way_to_what_is_given():
    config = TrainConfig.of_given(family="dfgan", lr_g=3e-4, ema_decay=0.9)
    assert (config.optimisers.lr_g, config.optimisers.lr_d) == (3e-4, 4e-4)
    assert config.losses.adversarial == "hinge" and config.optimisers.ema_decay == 0.9
    assert TrainConfig.of_given() == TrainConfig() == TrainConfig.of_given(family="ffgan")
