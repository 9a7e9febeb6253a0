"""Flags of the GAN's training with an effect in the loop, by the files of a training."""

import functools
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from colour_network import ColourNetwork
from damsm_files import make_damsm

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.sampler import load_run
from ffgan_tf.training import gan_loop, periodic_fid
from ffgan_tf.training.gan_loop import train
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.training.stopping import Stopping
from ffgan_tf.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

TINY = dict(
    image_size=64, ngf=4, ndf=4, z_dim=10, c_dim=12, pyramid="none", dense_depth=1, dense_growth=8, batch=4, max_words=7
)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def trained(tiny_records, tmp_path_factory):
    """Nine steps with DAMSM's loss and FID on the way, and which network was asked for."""
    folder, asked = tmp_path_factory.mktemp("flags"), []
    damsm = make_damsm(folder / "damsm", Vocabulary.load(tiny_records / "vocabulary.json"))

    def load_network(name, weights=None, **_):
        asked.append((name, weights))
        return ColourNetwork()

    config = TrainConfig.of(
        **TINY,
        data=str(tiny_records),
        steps=9,
        log_every=3,
        sample_every=5,
        checkpoint_every=2,
        keep_checkpoints=2,
        grid_captions=3,
        kl_weight=0.5,
        damsm_weight=2.5,
        text_encoder=str(damsm / "text_encoder"),
        image_encoder=str(damsm / "image_encoder"),
        eval_every=4,
        eval_samples=7,
        eval_inception="keras",
        eval_inception_weights="weights.h5",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(periodic_fid, "load_network", load_network)
        patch.setenv("HOME", str(folder))  # where features are cached
        assert train(config, folder / "run") == 0
    return SimpleNamespace(run=folder / "run", damsm=damsm, asked=asked, log=lines(folder / "run" / "log.jsonl"))


@pytest.mark.slow
def test_eval_every_and_eval_samples(trained):
    reports = lines(trained.run / "metrics.jsonl")
    assert [report["step"] for report in reports] == [4, 8, 9]  # every four steps, and after the last
    assert {report["count"] for report in reports} == {7}


@pytest.mark.slow
def test_eval_inception_and_its_weights(trained):
    assert trained.asked == [("keras", "weights.h5")]


@pytest.mark.parametrize("weights", ["", "none.pb"])
def test_missing_eval_inception_weights_are_asked_for_by_their_own_flag(tiny_records, weights):
    config = TrainConfig.of(data=str(tiny_records), eval_every=1, eval_inception_weights=weights)
    with pytest.raises(UserError, match="--eval_inception=fid2015 .*--eval_inception_weights=PATH"):
        periodic_fid.Evaluator(config, Path("run"), None, None, None)


@pytest.mark.slow
def test_the_lowest_fid_is_the_best_and_keep_checkpoints_spares_it(trained):
    fids = {report["step"]: report["fid"] for report in lines(trained.run / "metrics.jsonl")}
    checkpoints = Checkpoints(trained.run / "checkpoints")
    best = checkpoints.best()
    assert best["value"] == min(fids.values()) == fids[best["step"]]
    assert checkpoints.steps() == sorted({8, 9, best["step"]})


@pytest.mark.slow
def test_checkpoint_every_log_every_and_sample_every(trained):
    # Checkpoints after 2, 4, 6 and 8 steps, and at the last; what is saved or shown is logged first.
    assert [line["step"] for line in trained.log] == [2, 3, 4, 5, 6, 8, 9]
    grids = sorted(path.name for path in (trained.run / "samples").glob("step-*.png"))
    assert grids == ["step-00000005.png", "step-00000009.png"]
    assert len((trained.run / "samples" / "sentences.txt").read_text().splitlines()) == 3  # --grid_captions


@pytest.mark.slow
def test_the_run_keeps_its_image_encoders_hash(trained):
    """By which a continued run notices another one (tests/run/test_model_sources.py)."""
    (weights,) = (trained.damsm / "image_encoder").glob("*.npz")
    kept = json.loads((trained.run / "sources.json").read_text(encoding="utf-8"))
    assert kept == {"image_encoder": hashlib.sha256(weights.read_bytes()).hexdigest()}


@pytest.mark.slow
def test_damsm_weight_and_kl_weight_enter_the_generators_loss(trained):
    for line in trained.log:
        damsm, kl = line["loss_g/damsm"], line["loss_g/kl"]
        adversarial = 0.5 * line["loss_g/fake"] + 0.5 * line["loss_g/fake_matching"]
        assert damsm > 0.1  # or its weight would not show
        assert line["loss_g/total"] == pytest.approx(adversarial + 0.5 * kl + 2.5 * damsm, rel=1e-4)


def test_the_image_encoders_twin_is_wanted(tiny_records, tmp_path):
    """--damsm_weight with the image encoder of another training, or where one of the two is not there."""
    vocabulary = Vocabulary.load(tiny_records / "vocabulary.json")
    one, other = (make_damsm(tmp_path / name, vocabulary, seed) for seed, name in ((1, "one"), (2, "other")))
    for text, image, message in (
        (one, other, "--image_encoder=.* was not trained with --text_encoder="),
        (tmp_path / "none", one, "none/text_encoder: not the folder of a text encoder"),
        (one, tmp_path / "none", "none/image_encoder: not the folder of an image encoder"),
    ):
        config = TrainConfig.of(
            **TINY,
            data=str(tiny_records),
            steps=1,
            damsm_weight=1.0,
            text_encoder=str(text / "text_encoder"),
            image_encoder=str(image / "image_encoder"),
        )
        with pytest.raises(UserError, match=message):
            train(config, tmp_path / "run")


@pytest.fixture(scope="module")
def stopped(tiny_records, tmp_path_factory):
    """A training that --max_minutes stops, by a clock on which every step takes seven seconds."""
    run = tmp_path_factory.mktemp("stopped") / "run"

    def clock() -> float:
        log = run / "log.jsonl"
        return 7.0 * len(log.read_text().splitlines()) if log.exists() else 0.0

    config = TrainConfig.of(
        **TINY,
        data=str(tiny_records),
        steps=14,
        max_minutes=1,
        log_every=1,
        text_init_range=0.3,
        text_forget_bias=5,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gan_loop, "Stopping", functools.partial(Stopping, clock=clock))
        assert train(config, run) == 0
    return SimpleNamespace(run=run, step=Checkpoints(run / "checkpoints").latest(), config=config)


@pytest.mark.slow
def test_max_minutes_are_minutes(stopped):
    # 60 seconds are over during the ninth step, or seen to be over after the tenth.
    assert stopped.step in (9, 10)
    assert [line["step"] for line in lines(stopped.run / "log.jsonl")] == list(range(1, stopped.step + 1))


@pytest.mark.slow
def test_text_init_range_and_text_forget_bias_make_the_untrained_encoder(stopped):
    encoder = load_run(stopped.run).text_encoder
    embeddings = np.abs(encoder.embedding.get_weights()[0])
    assert 0.29 < embeddings.max() <= 0.3
    biases = [weight.numpy() for weight in encoder.weights if weight.name.endswith("bias:0")]
    assert len(biases) == 2
    for bias in biases:  # Keras's order of the gates: input, forget, cell, output
        gates = bias.reshape(4, -1)
        assert np.abs(gates[1] - 5).max() < 0.1 and np.abs(gates[[0, 2, 3]]).max() < 0.1


def test_both_adams_have_their_betas_and_epsilon():
    config = TrainConfig.of(**TINY, beta1=0.25, beta2=0.75, adam_epsilon=1e-3, lr_g=0.1, lr_d=0.2)
    gan = Gan(config, build.build_text_encoder(30))
    for built, rate in ((gan.optimizer_g, 0.1), (gan.optimizer_d, 0.2)):
        optimizer = type(built).from_config(built.get_config())  # the built one knows its network's weights only
        weight = tf.Variable([1.0, 2.0])
        optimizer.build([weight])
        for gradient in ([0.5, -3.0], [2.0, 1.0]):
            optimizer.apply_gradients([(tf.constant(gradient), weight)])
        np.testing.assert_allclose(weight, adam_by_hand([1.0, 2.0], [[0.5, -3.0], [2.0, 1.0]], rate), rtol=1e-5)


def adam_by_hand(weight, gradients, rate: float) -> np.ndarray:
    """Kingma & Ba (2015), section 2's last form: epsilon beside the uncorrected root, as Keras has it."""
    weight, first, second = np.array(weight), 0.0, 0.0
    for step, gradient in enumerate(np.array(gradients), 1):
        first = 0.25 * first + 0.75 * gradient
        second = 0.75 * second + 0.25 * gradient**2
        weight -= rate * np.sqrt(1 - 0.75**step) / (1 - 0.25**step) * first / (np.sqrt(second) + 1e-3)
    return weight
