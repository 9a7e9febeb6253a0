"""What TensorBoard gets beside scalars: read back from the events, against the networks called by hand."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.plugins.hparams import plugin_data_pb2

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.run.log import Log
from ffgan_tf.training.board import Board, discriminator_outputs, hints, settings_table
from ffgan_tf.training.gan_losses import TERMS
from ffgan_tf.training.gan_setup import GanData, SampleGrid
from ffgan_tf.training.gan_step import Gan


@pytest.fixture(scope="module")
def parts(tiny_records):
    config = TrainConfig.of(
        image_size=64, ngf=4, ndf=4, z_dim=10, c_dim=12, dense_depth=1, dense_growth=8, pyramid="none", batch=6,
        grid_captions=4, seed=9, data=str(tiny_records),
    )  # fmt: skip
    vocabulary = Vocabulary.load(tiny_records / "vocabulary.json")
    return config, GanData(config, 64), Gan(config, build.build_text_encoder(len(vocabulary), 1.0, 1)), vocabulary


def read_back(run) -> dict[str, list]:
    """{tag: [(step, value)]} of a run's events."""
    actual = {}
    for path in sorted((run / "tensorboard").iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                actual.setdefault(value.tag, []).append((event.step, value))
    return actual


@pytest.fixture(scope="module")
def events(parts, tmp_path_factory):
    """`read_back` of a run that was shown once; nothing of the training's state has moved."""
    config, data, gan, vocabulary = parts
    run = tmp_path_factory.mktemp("run")
    log = Log(run)
    board = Board(config, data, gan, gan.ema, vocabulary, log)
    before = [variable.numpy() for variable in (*gan.generator.variables, *gan.discriminator.variables)]
    board.begin(0)
    board(5)
    board.begin(5)
    log.close()
    for old, variable in zip(before, (*gan.generator.variables, *gan.discriminator.variables)):
        np.testing.assert_array_equal(old, variable.numpy())
    return read_back(run)


def test_sheets_of_two_sentences(events):
    for name in ("attention/1", "attention/3", "features/1", "features/3"):
        [(step, value)] = events[name]
        width, height, png = tf.make_ndarray(value.tensor)[:3]
        assert step == 5 and Image.open(io.BytesIO(png)).size == (int(width), int(height))


def test_the_sentences_images_are_those_of_the_grid(parts, tmp_path):
    from ffgan_tf.training.board import explain

    config, data, gan, vocabulary = parts
    log = Log(tmp_path)
    board, grid = (
        Board(config, data, gan, gan.ema, vocabulary, log),
        SampleGrid(config, data, gan.ema, gan.text_encoder, log, lambda: None),
    )
    assert board.sentences == [grid.sentences[0], grid.sentences[2]]
    images = grid._sampler(grid._ids, config.schedule.seed)
    for row in (0, 2):
        noise = tf.random.stateless_normal([22], tf.constant([9, row], tf.int64))
        actual = explain(gan, gan.ema, grid.sentences[row], vocabulary, noise)
        assert np.abs(actual.image.astype(int) - images[row]).max() <= 1
        assert actual.attention[0].shape == (16, 16, len(actual.reading.words))
    log.close()


def test_histograms_hold_ds_outputs(parts, events):
    config, data, gan, _ = parts
    batch = next(iter(data.batches(0)))
    inputs = gan.inputs(batch)
    fake = gan.generator(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon).image
    d = gan.discriminator
    by_hand = {
        "real": d.unconditional(d.features(inputs.real)),
        "fake": d.unconditional(d.features(fake)),
        "real_matching": d.conditional(d.features(inputs.real), inputs.condition),
        "fake_matching": d.conditional(d.features(fake), inputs.condition),
        "real_mismatching": d.conditional(d.features(inputs.real), inputs.wrong),
    }
    outputs = discriminator_outputs(gan, batch)
    assert tuple(outputs) == TERMS
    for term, logits in by_hand.items():
        np.testing.assert_allclose(outputs[term], 1 / (1 + np.exp(-logits.numpy())), rtol=1e-5)
        [(step, value)] = events[f"D_outputs/{term}"]
        buckets = tf.make_ndarray(value.tensor)  # left, right, count
        assert step == 5 and buckets[:, 2].sum() == config.schedule.batch
        assert buckets[0, 0] == pytest.approx(outputs[term].min(), rel=1e-5)


def test_hparams_once_and_settings_as_text(parts, events):
    [(_, value)] = events["_hparams_/session_start_info"]
    actual = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info
    assert actual.hparams["ngf"].number_value == 4 and actual.hparams["pyramid"].string_value == "none"
    assert set(actual.hparams) == set(parts[0].flat())
    assert [step for step, _ in events["settings"]] == [0, 5]
    assert "| --ngf | 4 |" in settings_table(parts[0])


def test_no_hparams_of_a_run_that_continues(parts, tmp_path):
    config, data, gan, vocabulary = parts
    log = Log(tmp_path)
    Board(config, data, gan, gan.ema, vocabulary, log).begin(5)
    log.close()
    tags = read_back(tmp_path)
    assert "settings" in tags and not any(tag.startswith("_hparams_") for tag in tags)


def outputs(**means):
    return {term: np.full(3, means.get(term, 0.5)) for term in TERMS}


def test_hints():
    well = outputs(real=0.7, fake=0.3, real_matching=0.8, real_mismatching=0.4)
    assert hints(well) == []
    [won] = hints({**well, "real": np.full(3, 0.99), "fake": np.full(3, 0.01)})
    assert "D tells all images apart" in won and "--lr_d" in won
    [blind] = hints({**well, "real_mismatching": np.full(3, 0.79)})
    assert "right and wrong sentences alike" in blind and "text/mu_spread" in blind
    without_head = {name: value for name, value in well.items() if name not in ("real", "fake")}
    assert hints(without_head) == []
    ends = {"real_matching": np.full(3, 0.99), "fake_matching": np.full(3, 0.01)}
    [won] = hints({**without_head, **ends})
    assert "D tells all images apart: D(t) 0.99, D(t̂) 0.01" in won
