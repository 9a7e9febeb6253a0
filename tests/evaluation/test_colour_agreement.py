"""Colour agreement over a converted data set, with generators whose right answer is known."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ffgan_tf import colour_agreement
from ffgan_tf.data.convert.conversion import Item, Settings, Source, convert
from ffgan_tf.evaluation import colour_agreement as colour_run
from ffgan_tf.utils.errors import UserError

COLOURS = {"red": (200, 30, 40), "yellow": (240, 215, 50), "blue": (40, 80, 200)}


def disc(colour, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:76, :76] - 38
    image = np.full((76, 76, 3), rng.uniform(90, 160)) + rng.normal(0, 4, (76, 76, 3))
    image[x**2 + y**2 < rng.uniform(15, 28) ** 2] = COLOURS[colour]
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """→ records of 60 training and 12 test discs, and their labels."""
    root = tmp_path_factory.mktemp("discs")
    items, lines = [], ["image,class,colour"]
    for number in range(72):
        colour, split = list(COLOURS)[number % 3], "train" if number < 60 else "test"
        name = f"{split}/{split}_{number:02d}"
        (root / split).mkdir(exist_ok=True)
        Image.fromarray(disc(colour, number)).save(root / f"{name}.png")
        (root / f"{name}.txt").write_text("".join(f"disc {k} is {colour}\n" for k in range(10)))
        items.append(Item(split, name, root / f"{name}.png", 1 + (split == "test"), root / f"{name}.txt"))
        lines.append(f"{name}.jpg,1,{colour}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    convert(
        Source("discs", str(root), items, {1: "train", 2: "test"}),
        root / "records",
        Settings(image_size=64, workers=1, images_per_shard=100),
    )
    return str(root / "records"), str(root / "labels.csv")


def paint(captions, tokens, ids, seed):
    """A generator that can read."""
    assert len(captions) == len(tokens) == len(ids)
    named = [next(colour for colour in COLOURS if colour in caption) for caption in captions]
    return np.stack([disc(colour, 1000 * seed + i)[6:70, 6:70] for colour, i in zip(named, ids)])


def test_a_generator_that_reads_agrees_and_one_that_does_not_is_at_chance(data, tmp_path):
    reads = colour_run.evaluate_colours(paint, *data, 64, num_samples=30, seed=2, probe_path=tmp_path / "probe.npz")
    assert reads.report["real"] == 1.0 and reads.report["colour_agreement"] == 1.0
    assert reads.report["count"] == 30 and reads.images.shape == (30, 64, 64, 3)
    assert all(colour in caption for colour, caption in zip(reads.expected, reads.captions))
    assert len({caption.split()[1] for caption in reads.captions}) > 5  # not always an image's first caption

    stored = (tmp_path / "probe.npz").read_bytes()
    red = colour_run.evaluate_colours(
        lambda c, t, i, s: paint(["red"] * len(c), t, i, s), *data, 64, seed=2, probe_path=tmp_path / "probe.npz"
    )
    assert red.report["count"] == 12 and red.report["colour_agreement"] == pytest.approx(1 / 3)
    assert red.report["chance"] == red.report["chance_matched"] == pytest.approx(1 / 3)
    assert red.report["generated_detail"]["per_colour"] == {"blue": 0.0, "red": 1.0, "yellow": 0.0}
    assert (tmp_path / "probe.npz").read_bytes() == stored  # used again
    assert json.loads(json.dumps(red.report, allow_nan=False)) == red.report

    text = colour_agreement.tables(red.report)
    assert "0.333" in text and "real test images" in text and "chance, 1 of 3" in text
    sheet = colour_agreement.colour_sheet(red.images, red.expected, red.predicted)
    assert sheet.dtype == np.uint8 and sheet.shape[1] > 10 * 64


def test_a_stored_probe_of_other_data_is_not_used(data, tmp_path):
    path = tmp_path / "probe.npz"
    path.write_bytes(b"not a probe")
    first = colour_run.evaluate_colours(paint, *data, 64, probe_path=path).report
    stored = path.read_bytes()
    other = tmp_path / "labels.csv"
    swapped = {"red": "yellow", "yellow": "red", "blue": "blue"}
    rows = [line.split(",") for line in open(data[1]).read().splitlines()]
    other.write_text("\n".join(",".join([*row[:2], swapped.get(row[2], row[2])]) for row in rows) + "\n")
    second = colour_run.evaluate_colours(paint, data[0], str(other), 64, probe_path=path).report
    assert path.read_bytes() != stored and first["colour_agreement"] == second["colour_agreement"] == 1.0


def test_what_is_missing_is_named(data, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("image,colour\ntest_60.jpg,red\n")
    with pytest.raises(UserError, match="11 of 12.*test_61"):
        colour_run.evaluate_colours(paint, data[0], str(few), 64)
    with pytest.raises(UserError, match="--image_size=128"):
        colour_run.evaluate_colours(paint, *data, 128)


def test_the_command_names_a_missing_flag():
    done = subprocess.run(
        [sys.executable, "-m", "ffgan_tf.colour_agreement", "--run=/nowhere"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "--labels is missing" in done.stderr and "Traceback" not in done.stderr
