"""Variety of a run: the images that are asked of it, and the report's figures for images whose distances are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from ffgan_tf.evaluation.engine import evaluate_images
from ffgan_tf.evaluation.images import FolderImages, GeneratedImages, RecordImages
from ffgan_tf.evaluation.protocols import get_protocol
from ffgan_tf.evaluation.sentence_variety import variety_images
from ffgan_tf.metrics.variety import mean_pairwise_distance


class MeanColour:
    """A stand-in for Inception: an image's feature is its mean colour."""

    def features(self, images):
        return {"2048": np.stack([np.asarray(image, np.float64).mean((0, 1)) for image in images])}

    def protocol(self):
        return {"network": "mean colour"}


@pytest.fixture
def records(tiny_records):
    return RecordImages(str(tiny_records), "test", 64)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def run(asked):
    """A run whose image of noise number n is grey of 3·(n mod 4) levels; it notes what it is asked for."""

    def sampler(tokens, seed, numbers, truncation):
        asked.extend((tuple(ids), seed, int(number), truncation) for ids, number in zip(tokens, numbers))
        return np.stack([np.full((64, 64, 3), 3 * (number % 4), np.uint8) for number in numbers])

    weights = SimpleNamespace(get_weights=lambda: [np.ones(2)])
    return SimpleNamespace(sampler=sampler, generator=weights, text_encoder=weights, path="run", step=7)


def test_which_images_are_made(run, records, asked, tiny_records):
    from ffgan_tf.data.pipeline import load_split

    split = load_split(str(tiny_records), "test")
    actual = variety_images(run, records, 3, 4, 0.5, seed=9, batch=5)
    list(actual.images.read(0, actual.images.count))
    first = [tuple(split.tokens[i, 0, : split.lengths[i, 0]]) for i in (0, 3, 7)]
    assert asked == [(first[n // 4], 9, n, 0.5) for n in range(12)]
    assert variety_images(run, records, 99, 2, 0, 1).images.count == 16  # eight images are there
    other = variety_images(run, records, 3, 4, 0.5, seed=10)
    assert other.images.identity(0, 12) != actual.images.identity(0, 12)


def test_the_reports_figures(run, records, tmp_path):
    varied = variety_images(run, records, 3, 4, 0.0, seed=9)
    generated = FolderImages(str(_folder(tmp_path)), "images")
    report = evaluate_images(
        generated, records, MeanColour(), get_protocol("ffgan"), variety=varied, cache_dir=tmp_path / "cache"
    )
    # Greys 0, 3, 6, 9: distances 3, 6, 9, 3, 6, 3 on the grey axis, √3 as long in RGB.
    assert report["variety"] == pytest.approx(5 * np.sqrt(3)) and report["variety_std"] == pytest.approx(0, abs=1e-9)
    colours = MeanColour().features(list(records.read(0, 8)))["2048"]
    classes = [mean_pairwise_distance(colours[records.classes == label]) for label in (5, 6)]
    assert report["variety_ratio"] == pytest.approx(5 * np.sqrt(3) / np.mean(classes))
    assert (report["variety_sentences"], report["variety_images"], report["variety_classes"]) == (3, 4, 2)
    plain = evaluate_images(generated, records, MeanColour(), get_protocol("ffgan"), cache_dir=tmp_path / "cache")
    assert not any(name.startswith("variety") for name in plain) and plain["fid"] == report["fid"]


def test_nothing_of_a_runs_images_stays_in_the_cache(run, records, tmp_path):
    """They are never evaluated again; the reference is."""
    images = GeneratedImages(lambda numbers: run.sampler([()] * len(numbers), 1, numbers, 0.0), 7, "run", "run")
    varied = variety_images(run, records, 3, 4, 0.0, seed=9)
    protocol, cache = get_protocol("ffgan"), tmp_path / "cache"
    evaluate_images(images, records, MeanColour(), protocol, variety=varied, cache_dir=cache)
    left = {path.name for path in cache.glob("*/*.npz") if not path.name.startswith("statistics")}
    assert left == {f"{records.identity(0, 8)[:32]}.npz"}


def _folder(path):
    from PIL import Image

    (path / "images").mkdir()
    for number in range(7):
        Image.new("RGB", (64, 64), (30 * number, 9 * number**2 % 255, 200 - 11 * number)).save(
            path / "images" / f"{number}.png"
        )
    return path / "images"
