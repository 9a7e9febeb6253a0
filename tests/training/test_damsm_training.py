"""DAMSM's training: schedule, clipping, resumption to the bit, validation; and the command itself."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data import pipeline
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import load_image_encoder, load_text_encoder, trained_together
from ffgan_tf.training.damsm_setup import repair_encoder_pair
from ffgan_tf.training.damsm_step import LOSSES, METRICS, Damsm
from ffgan_tf.training.damsm_validation import Validation, attention_overlay

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

ROOT = Path(__file__).resolve().parents[2]
CONFIG = DamsmConfig.of(image_trunk="small", image_size=64, batch=8, max_words=9, lr=1e-3)


@pytest.fixture(scope="module")
def vocabulary(tiny_records):
    return Vocabulary.load(tiny_records / "vocabulary.json")


@pytest.fixture(scope="module")
def splits(tiny_records):
    return {name: pipeline.load_split(str(tiny_records), name) for name in ("train", "test")}


def batches(split, start=0, config=CONFIG):
    return iter(
        pipeline.training_batches(
            split,
            max_size=64,
            image_size=64,
            batch=config.schedule.batch,
            noise_dim=0,
            seed=1,
            max_words=config.text.max_words,
            start_step=start,
        )
    )


def test_learning_rate_falls_every_epoch_to_a_tenth(vocabulary):
    damsm = Damsm(CONFIG, len(vocabulary), images=24)
    for step, rate in (
        (0, 1e-3),
        (2, 1e-3),
        (3, 0.98e-3),
        (30, 0.98**10 * 1e-3),
        (3 * 113, 0.98**113 * 1e-3),
        (3 * 114, 1e-4),
        (10**6, 1e-4),
    ):
        damsm.step.assign(step)
        assert float(damsm.learning_rate()) == pytest.approx(rate, rel=1e-5), step


def test_a_restart_changes_nothing(vocabulary, splits, tmp_path):
    straight = Damsm(CONFIG, len(vocabulary), images=24)
    data = batches(splits["train"])
    metrics = []
    for number in range(4):
        if number == 2:
            straight.checkpoint().write(str(tmp_path / "state"))
        metrics.append(straight.train_step(next(data)).numpy())
    resumed = Damsm(CONFIG, len(vocabulary), images=24)
    resumed.checkpoint().read(str(tmp_path / "state")).assert_consumed()
    data = batches(splits["train"], start=2)
    again = [resumed.train_step(next(data)).numpy() for _ in range(2)]
    np.testing.assert_allclose(again, metrics[2:], rtol=1e-5)
    for one, other in zip(straight.text_encoder.get_weights(), resumed.text_encoder.get_weights()):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    assert np.all(np.isfinite(metrics)) and len(metrics[0]) == len(METRICS)


def test_every_weight_learns_and_the_text_s_gradient_is_clipped(vocabulary, splits):
    damsm = Damsm(CONFIG, len(vocabulary), images=24)
    data = next(batches(splits["train"]))
    variables = [*damsm.text_encoder.trainable_variables, *damsm.image_variables]
    before = [variable.numpy() for variable in variables]
    norms = dict(zip(METRICS, damsm.train_step(data).numpy()))
    assert all(np.any(variable.numpy() != value) for variable, value in zip(variables, before))
    # Adam's first moment after one step is (1 − β1) times the gradient that it was given.
    moments = [value.numpy() for value in damsm.optimizer.variables if value.name.startswith("m/")]
    assert len(moments) == len(variables)
    text = np.sqrt(sum(np.sum(moment.astype(np.float64) ** 2) for moment in moments[: len(damsm.text_encoder.weights)]))
    assert norms["grad_norm/text"] > 0.25  # or there would be nothing to clip
    assert text == pytest.approx(0.5 * 0.25, rel=1e-4)
    image = np.sqrt(
        sum(np.sum(moment.astype(np.float64) ** 2) for moment in moments[len(damsm.text_encoder.weights) :])
    )
    assert image == pytest.approx(0.5 * norms["grad_norm/image"], rel=1e-4)


def test_dropout_is_on_while_training_and_a_function_of_its_seed(vocabulary, splits):
    damsm, data = Damsm(CONFIG, len(vocabulary), images=24), next(batches(splits["train"]))
    image, tokens, lengths = data["image"], data["tokens"], data["lengths"]
    one, again, other = (
        damsm.encode(image, tokens, lengths, tf.constant([5, seed])).words.numpy() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3
    quiet = damsm.encode(image, tokens, lengths)
    sentences, words = damsm.text_encoder(tokens, lengths)
    np.testing.assert_allclose(quiet.words, words, atol=1e-7)
    np.testing.assert_allclose(quiet.sentences, sentences, atol=1e-7)


def test_validation_is_loss_and_retrieval_on_the_test_split(vocabulary, splits):
    damsm, test = Damsm(CONFIG, len(vocabulary), images=24), splits["test"]
    colours = dict.fromkeys(test.names, "red")
    validation = Validation(damsm, test, vocabulary, 64, colours=colours, images=3)
    actual = validation()
    assert actual["validation/colour"] == actual["validation/colour_blind"] == 1
    assert validation.chance() == 1 / 5  # two classes of four: four captions of the other one
    images = next(iter(pipeline.centre_images(test, max_size=64, image_size=64, batch=8)))
    rows = np.arange(8)
    encoded = damsm.encode(images, test.tokens[rows, rows][:, :25], np.minimum(test.lengths[rows, rows], 25))
    loss = sum(float(value) for value in damsm.losses(encoded, test.classes).values())  # the order does not matter
    assert actual["validation/loss"] == pytest.approx(loss, rel=1e-5)
    codes, sentences = (
        np.array(value) / np.linalg.norm(value, axis=1, keepdims=True) for value in (encoded.codes, encoded.sentences)
    )
    own = np.sum(codes * sentences, 1)
    rivals = np.array([(codes[i] @ sentences[test.classes != test.classes[i]].T).max() for i in range(8)])
    assert actual["validation/r_precision"] == pytest.approx(np.mean(own > rivals))
    sheet = validation.sheet()
    assert sheet.tiles.shape == (3 * sheet.columns, 64, 64, 3) and len(sheet.labels) == len(sheet.tiles)
    np.testing.assert_array_equal(sheet.tiles[0], images[0])
    assert sheet.labels[0] == test.texts[0][0] and sheet.labels[1:4] == ["a", "red", "bird"]


def test_light_falls_where_a_word_looks():
    image, attention = np.full((64, 64, 3), 200, np.uint8), np.full(64, 0.01)
    attention[8 * 6 + 1] = 0.3
    shown = attention_overlay(image, attention)
    assert shown[52, 12].min() > 170 and shown[10, 50].max() == 50


def test_missing_encoders_come_from_the_best_checkpoint(vocabulary, splits, tmp_path):
    damsm, data = Damsm(CONFIG, len(vocabulary), images=24), batches(splits["train"])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(damsm.checkpoint(), 1)
    checkpoints.mark_best(1, "r_precision", 0.5, lower_is_better=False)
    images = next(data)["image"]
    regions, codes = damsm.heads(*damsm.image_features(images))
    damsm.train_step(next(data))
    checkpoints.save(damsm.checkpoint(), 2)
    repair_encoder_pair(tmp_path, damsm, vocabulary, checkpoints)
    loaded = load_image_encoder(tmp_path / "image_encoder")
    for ours, theirs in zip((regions, codes), loaded(tf.cast(images, tf.float32) / 127.5 - 1)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert loaded.about["made_by"]["step"] == 1 and trained_together(
        tmp_path / "text_encoder", tmp_path / "image_encoder"
    )
    written = (tmp_path / "image_encoder" / "encoder.json").stat().st_mtime_ns
    repair_encoder_pair(tmp_path, damsm, vocabulary, checkpoints)  # a pair stays as it is
    assert (tmp_path / "image_encoder" / "encoder.json").stat().st_mtime_ns == written


def run(*flags):
    return subprocess.run(
        [sys.executable, "-m", "ffgan_tf.train_damsm", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KERAS_HOME": "/nonexistent"},
        timeout=300,
    )


@pytest.mark.slow
def test_the_command_trains_continues_and_leaves_an_encoder(tiny_records, vocabulary, tmp_path):
    folder = tmp_path / "run"
    flags = [
        f"--run={folder}",
        f"--data={tiny_records}",
        "--image_trunk=small",
        "--image_size=64",
        "--batch=8",
        "--validate_every=2",
        "--log_every=1",
    ]
    first = run(*flags, "--steps=3")
    assert first.returncode == 0, first.stderr
    encoder, own = load_text_encoder(folder / "text_encoder")
    assert own.hash == vocabulary.hash and trained_together(folder / "text_encoder", folder / "image_encoder")
    shutil.rmtree(folder / "image_encoder")  # as in a run from before there was one
    second = run(f"--run={folder}", "--steps=4")
    assert second.returncode == 0 and "continuing at step 3 of 4" in second.stdout, second.stderr
    assert "image_encoder from the best checkpoint" in second.stdout
    assert trained_together(folder / "text_encoder", folder / "image_encoder")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss/total" in line] == [1, 2, 3, 4]
    assert [line["epoch"] for line in lines if "loss/total" in line] == [8 * step / 24 for step in (1, 2, 3, 4)]
    assert [line["step"] for line in lines if "validation/loss" in line] == [2, 3, 4]
    assert all(
        np.isclose(sum(line[f"loss/{name}"] for name in LOSSES), line["loss/total"])
        for line in lines
        if "loss/total" in line
    )
    assert sorted(path.name for path in (folder / "samples").iterdir()) == [
        "step-00000002.png",
        "step-00000003.png",
        "step-00000004.png",
    ]
    best = json.loads((folder / "checkpoints" / "best.json").read_text())
    about = json.loads((folder / "text_encoder" / "encoder.json").read_text())["made_by"]
    assert best["metric"] == "r_precision" and about["step"] == best["step"]
    missing = run(f"--run={tmp_path / 'other'}", f"--data={tiny_records}", "--image_size=64")
    assert missing.returncode == 2 and "notop.h5" in missing.stderr and "--trunk_weights" in missing.stderr
    assert missing.stderr.count("error:") == 1 and "Traceback" not in missing.stderr
