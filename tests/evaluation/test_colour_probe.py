"""The colour probe on discs of known colour, its agreement figures against closed forms, its files and label tables."""

import numpy as np
import pytest
from scipy import stats

from ffgan_tf.evaluation.colour_probe import (
    ColourProbe,
    agreement,
    features,
    read_colour_labels,
    record_key,
    srgb_to_lab,
)
from ffgan_tf.utils.errors import UserError

COLOURS = {"red": (200, 30, 40), "yellow": (240, 215, 50), "green": (50, 150, 60), "blue": (40, 80, 200)}
NAMES = list(COLOURS)


def discs(count, seed, size=64, noise=8.0):
    """A big disc of the colour, with a smaller patch of another one at its top, on grey: uint8, and the colours."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size - 0.5
    images, labels = np.empty((count, size, size, 3)), []
    for image in images:
        name, other = rng.choice(NAMES, 2, replace=False)
        cy, cx = rng.uniform(-0.08, 0.08, 2)
        image[:] = rng.uniform(90, 160)
        image[(y - cy) ** 2 + (x - cx) ** 2 < 0.3**2] = COLOURS[name]
        image[(y - cy + 0.2) ** 2 + (x - cx) ** 2 < 0.17**2] = COLOURS[other]
        labels.append(str(name))
    images += rng.normal(0, noise, images.shape)
    return np.clip(np.rint(images), 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def probe():
    return ColourProbe.fit(*discs(400, 0))


def test_finds_the_colour_of_discs_it_has_not_seen(probe):
    images, labels = discs(200, 1)
    assert probe.colours == sorted(NAMES)
    assert agreement(probe.predict(images), labels)["accuracy"] > 0.97
    assert probe.predict(images[:, :, ::-1]) == probe.predict(images)  # left or right is the same to it


def test_holds_on_blurred_and_noisy_images_and_other_sizes(probe):
    images, labels = discs(200, 2, noise=30.0)
    blurred = images.reshape(-1, 16, 4, 16, 4, 3).mean((2, 4)).astype(np.uint8).repeat(4, 1).repeat(4, 2)
    assert agreement(probe.predict(blurred), labels)["accuracy"] > 0.95
    large, labels = discs(50, 3, size=128)
    assert agreement(probe.predict(large), labels)["accuracy"] > 0.95


def test_planted_wrong_labels_lower_agreement_by_their_share(probe):
    images, labels = discs(200, 4)
    actual = probe.predict(images)
    planted = [NAMES[(NAMES.index(f) + 1) % 4] if i < 50 else f for i, f in enumerate(actual)]
    result = agreement(actual, planted)
    assert result["accuracy"] == 0.75 and result["count"] == 200
    assert np.trace(result["confusion"]) == 150 and np.sum(result["confusion"]) == 200


def test_agreement_in_closed_form():
    wanted = ["a"] * 6 + ["b"] * 3 + ["c"]
    actual = ["a", "a", "a", "a", "b", "c", "b", "b", "a", "a"]
    result = agreement(actual, wanted, colours=["a", "b", "c", "d"])
    assert result["accuracy"] == 6 / 10 and result["chance"] == 1 / 4 and result["chance_majority"] == 6 / 10
    assert result["chance_matched"] == pytest.approx(0.6 * 0.6 + 0.3 * 0.3 + 0.1 * 0.1)
    assert result["per_colour"] == {"a": pytest.approx(4 / 6), "b": pytest.approx(2 / 3), "c": 0.0}
    assert result["counts"] == {"a": 6, "b": 3, "c": 1, "d": 0}
    assert result["confusion"] == [[4, 1, 1, 0], [1, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    low, high = stats.beta.ppf(0.025, 6, 5), stats.beta.ppf(0.975, 7, 4)  # Clopper and Pearson
    assert result["interval"] == pytest.approx([low, high])
    with pytest.raises(ValueError):
        agreement([], [])


def test_matched_chance_is_what_shuffling_gives():
    rng = np.random.default_rng(0)
    wanted, actual = (rng.choice(["a", "b", "c"], 2000, p=p) for p in ([0.6, 0.3, 0.1], [0.8, 0.1, 0.1]))
    shuffled = np.mean([(rng.permutation(actual) == wanted).mean() for _ in range(50)])
    assert agreement(list(actual), list(wanted))["chance_matched"] == pytest.approx(shuffled, abs=0.005)


def test_lab_of_published_colours():
    """CIE Lab of the sRGB primaries (D65), as published (e.g. brucelindbloom.com's calculator)."""
    lab = srgb_to_lab(np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 0]]))
    expected = [[100, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [0, 0, 0]]
    np.testing.assert_allclose(lab, expected, atol=0.05)


def test_histograms_are_shares_and_an_even_image_fills_its_bins_alike():
    even = np.full((1, 64, 64, 3), (200, 30, 40), np.uint8)
    x = features(np.concatenate([even, discs(2, 0)[0]]))
    assert x.shape == (3, 32, 320)
    np.testing.assert_allclose(x.sum(2), 1, rtol=1e-5)
    np.testing.assert_allclose(x[0], np.tile(x[0, :1], (32, 1)), atol=1e-6)
    assert np.count_nonzero(x[0, 0] > 1e-6) <= 8  # the corners of one cell of the colour lattice
    for shape, kind in (((1, 64, 64, 3), np.float32), ((1, 60, 60, 3), np.uint8), ((1, 64, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8"):
            features(np.zeros(shape, kind))


def test_a_stored_probe_names_the_same(probe, tmp_path):
    images, _ = discs(30, 5)
    probe.key = "abc"
    probe.save(tmp_path / "probe.npz")
    again = ColourProbe.load(tmp_path / "probe.npz")
    assert again.predict(images) == probe.predict(images) and again.key == "abc" and again.colours == probe.colours
    (tmp_path / "bad.npz").write_bytes((tmp_path / "probe.npz").read_bytes()[:100])
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(UserError, match=name):
            ColourProbe.load(tmp_path / name)


def test_one_colour_is_nothing_to_learn():
    with pytest.raises(ValueError, match="1 colours"):
        ColourProbe.fit(discs(4, 0)[0], ["red"] * 4)


def test_label_tables(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("image,class,colour\nimage_00001.jpg,77,white\n001.A/A_0001,1,red\n")
    assert read_colour_labels(path) == {"image_00001": "white", "A_0001": "red"}
    assert record_key("class_00077/image_00001") == "image_00001" and record_key("1.B.c/B.c_1") == "B.c_1"
    for text, message in (
        ("image,class\na,1\n", "columns"),
        ("", "columns"),
        ("image,colour\na.jpg,\n", "line 2"),
        ("image,colour\nx/a.jpg,red\ny/a.jpg,red\n", "line 3.*second line"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_colour_labels(path)
    with pytest.raises(UserError, match="no such file"):
        read_colour_labels(tmp_path / "none.csv")
