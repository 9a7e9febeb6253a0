"""Flags of DAMSM's training, each by its effect on one step or on the files of a training."""

import functools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data import pipeline
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.losses.damsm import damsm_losses
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.training import damsm_loop
from ffgan_tf.training.damsm_loop import train
from ffgan_tf.training.damsm_step import METRICS, Damsm
from ffgan_tf.training.stopping import Stopping

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

TINY = DamsmConfig.of(image_trunk="small", image_size=64, batch=8, max_words=7)


def make_damsm(records, **settings) -> Damsm:
    return Damsm(TINY.replace(**settings), len(Vocabulary.load(records / "vocabulary.json")), images=24)


@pytest.fixture(scope="module")
def batch(tiny_records):
    split = pipeline.load_split(str(tiny_records), "train")
    data = pipeline.training_batches(split, max_size=64, image_size=64, batch=8, noise_dim=0, seed=1, max_words=7)
    return next(iter(data))


# One step


def moments(damsm: Damsm, kind: str) -> tuple[float, float]:
    """The sums over the text encoder's and the image encoder's moments (m squared, or v)."""
    values = [np.float64(value.numpy()) for value in damsm.optimizer.variables if value.name.startswith(f"{kind}/")]
    count = len(damsm.text_encoder.trainable_variables)
    assert len(values) == count + len(damsm.image_variables)
    sums = [np.sum(value**2 if kind == "m" else value) for value in values]
    return sum(sums[:count]), sum(sums[count:])


def test_rnn_clip_and_the_betas(tiny_records, batch):
    """After one step the moments are (1 - beta1) g and (1 - beta2) g², g being the text encoder's clipped gradient."""
    damsm = make_damsm(tiny_records, rnn_clip=0.01, beta1=0.7, beta2=0.8)
    norms = dict(zip(METRICS, damsm.train_step(batch).numpy().astype(float)))
    assert norms["grad_norm/text"] > 0.01  # or there would be nothing to clip
    text, image = moments(damsm, "m")
    assert np.sqrt(text) == pytest.approx(0.3 * 0.01, rel=1e-3)
    assert np.sqrt(image) == pytest.approx(0.3 * norms["grad_norm/image"], rel=1e-3)
    text, image = moments(damsm, "v")
    assert text == pytest.approx(0.2 * 0.01**2, rel=1e-3)
    assert image == pytest.approx(0.2 * norms["grad_norm/image"] ** 2, rel=1e-3)


def test_the_gammas_are_the_losses(tiny_records, batch):
    damsm = make_damsm(tiny_records, gamma1=1.5, gamma2=2.5, gamma3=3.5)
    encoded = damsm.encode(batch["image"], batch["tokens"], batch["lengths"])
    actual = damsm.losses(encoded, batch["classes"])
    settings = {"gamma1": 1.5, "gamma2": 2.5, "gamma3": 3.5}
    wanted = damsm_losses(*encoded, batch["classes"], **settings)
    for name in wanted:
        np.testing.assert_allclose(actual[name], wanted[name], rtol=1e-6)
    for name in settings:  # each of them matters
        other = damsm_losses(*encoded, batch["classes"], **{**settings, name: 9.0})
        assert any(abs(float(other[loss] - wanted[loss])) > 1e-4 for loss in wanted), name


def test_adam_epsilon(tiny_records, batch):
    """So large an epsilon makes Adam's step tiny."""
    damsm = make_damsm(tiny_records, adam_epsilon=1.0, lr=0.1)
    before = [variable.numpy() for variable in damsm.image_variables]
    damsm.train_step(batch)
    gradients = np.sqrt(moments(damsm, "v")[1] / 1e-3)  # their norm, by 1 - beta2
    moved = np.sqrt(sum(np.sum((old - new.numpy()) ** 2) for old, new in zip(before, damsm.image_variables)))
    # sqrt(1 - beta2) / (1 - beta1) · (1 - beta1) g / (~0 + 1)
    assert moved == pytest.approx(0.1 * np.sqrt(1e-3) * gradients, rel=0.2)


def weights(damsm: Damsm) -> list:
    return [*damsm.text_encoder.variables, *damsm.image_variables]


def test_fresh_adam_starts_anew_at_each_epoch(tiny_records, batch):
    """24 images in batches of 8: steps 0, 3, 6 begin an epoch. Such a step equals the first one of a new optimiser with
    the same weights; the others do not."""
    damsm, other = (make_damsm(tiny_records, fresh_adam=fresh, lr_decay=1.0) for fresh in (True, False))
    for step in range(7):
        if step in (2, 3, 6):
            twin = make_damsm(tiny_records, lr_decay=1.0)
            for target, source in zip(weights(twin), weights(damsm)):
                target.assign(source)
            twin.step.assign(damsm.step)
        damsm.train_step(batch)
        other.train_step(batch)
        if step in (2, 3, 6):
            twin.train_step(batch)
            equal = all(np.array_equal(a, b) for a, b in zip(weights(twin), weights(damsm)))
            assert equal == (step != 2), step
    assert int(damsm.optimizer.iterations) == 1 and int(other.optimizer.iterations) == 7


def test_text_init_range(tiny_records):
    for bound in (0.1, 0.4):
        embeddings = np.abs(make_damsm(tiny_records, text_init_range=bound).text_encoder.embedding.get_weights()[0])
        assert 0.98 * bound < embeddings.max() <= bound


# Trainings


def training(records, run, **settings) -> SimpleNamespace:
    """A training to its end: its log, its checkpoints, the step whose encoders were kept."""
    assert train(TINY.replace(data=str(records), log_every=1, **settings), run) == 0
    log = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    about = json.loads((run / "text_encoder" / "encoder.json").read_text(encoding="utf-8"))
    return SimpleNamespace(
        run=run,
        log=log,
        validations={line["step"]: line for line in log if "validation/loss" in line},
        checkpoints=Checkpoints(run / "checkpoints"),
        kept_step=about["made_by"]["step"],
    )


@pytest.fixture(scope="module")
def by_loss(tiny_records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("by_loss")
    names = sorted({name.split("/")[-1] for name in pipeline.load_split(str(tiny_records), "test").names})
    rows = [f"{name},{('red', 'blue')[i % 2]}" for i, name in enumerate(names)]
    (folder / "colours.csv").write_text("\n".join(["image,colour", *rows]) + "\n", encoding="utf-8")
    return training(
        tiny_records,
        folder / "run",
        steps=11,
        lr=2e-2,
        lr_decay=0.5,
        lr_floor=0.2,
        validate_every=2,
        keep_checkpoints=2,
        best_by="loss",
        colour_labels=str(folder / "colours.csv"),
        attention_images=2,
    )


@pytest.fixture(scope="module")
def by_r_precision(tiny_records, tmp_path_factory):
    """By a clock on which every step takes seven seconds, until --max_minutes."""
    run = tmp_path_factory.mktemp("by_r_precision") / "run"

    def clock() -> float:
        log = run / "log.jsonl"
        return 7.0 * sum('"loss/total"' in line for line in log.read_text().splitlines()) if log.exists() else 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(damsm_loop, "Stopping", functools.partial(Stopping, clock=clock))
        return training(
            tiny_records,
            run,
            steps=14,
            max_minutes=1,
            validate_every=3,
            keep_checkpoints=1,
            best_by="r_precision",
            attention_images=6,
        )


@pytest.mark.slow
def test_lr_decay_and_lr_floor(by_loss):
    rates = [line["learning_rate"] for line in by_loss.log if "learning_rate" in line]
    # Three steps an epoch; a quarter in the third, then a fifth instead of an eighth.
    np.testing.assert_allclose(rates, [2e-2] * 3 + [1e-2] * 3 + [5e-3] * 3 + [4e-3] * 2, rtol=1e-5)


@pytest.mark.slow
def test_validate_every_and_keep_checkpoints(by_loss):
    assert list(by_loss.validations) == [2, 4, 6, 8, 10, 11]
    assert by_loss.checkpoints.steps() == sorted({10, 11, by_loss.checkpoints.best()["step"]})


@pytest.mark.slow
@pytest.mark.parametrize("which,metric,best", [("by_loss", "loss", min), ("by_r_precision", "r_precision", max)])
def test_best_by(which, metric, best, request):
    """The lowest loss, the highest R-precision: its checkpoint and its encoders are kept."""
    trained = request.getfixturevalue(which)
    values = {step: line[f"validation/{metric}"] for step, line in trained.validations.items()}
    kept = trained.checkpoints.best()
    assert (kept["metric"], kept["value"]) == (metric, best(values.values()))
    assert kept["step"] == trained.kept_step and values[kept["step"]] == kept["value"]
    assert kept["step"] in trained.checkpoints.steps()
    assert metric != "loss" or len(set(values.values())) > 1  # or the highest would be the lowest


@pytest.mark.slow
def test_colour_labels(by_loss, by_r_precision):
    for line in by_loss.validations.values():
        assert 0 <= line["validation/colour"] <= 1 and 0 <= line["validation/colour_blind"] <= 1
    assert not any("validation/colour" in line for line in by_r_precision.log)


@pytest.mark.slow
def test_attention_images(by_loss, by_r_precision):
    """A row of the sheet for each: the words stand between rows, so a sheet of six is three of two."""
    heights = []
    for trained in (by_loss, by_r_precision):
        sheet = sorted((trained.run / "samples").glob("step-*.png"))[0]
        heights.append(Image.open(sheet).height)
    gap = 4  # around the rows
    assert heights[0] > 2 * 128  # two images at twice their 64 pixels
    assert 6 * 128 < heights[1] and heights[1] > 2.5 * (heights[0] - gap)


@pytest.mark.slow
def test_max_minutes_are_minutes(by_r_precision):
    # 60 seconds are over during the ninth step, or seen to be over after the tenth.
    assert by_r_precision.checkpoints.latest() in (9, 10)
    assert max(by_r_precision.validations) == by_r_precision.checkpoints.latest()  # one more when time is up
