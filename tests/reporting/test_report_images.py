"""Images on the page: grids taken apart are what they were made of; budgets hold; what is drawn is what is sampled."""

import base64
import io

import numpy as np
import pytest
from made_runs import SENTENCES, images
from PIL import Image
from tiny_run import STEP, make_run

import ffgan_tf
from ffgan_tf.data.pipeline import load_split
from ffgan_tf.evaluation.images import RecordImages
from ffgan_tf.reporting.drawn import draw
from ffgan_tf.reporting.images import MOST_STEPS, data_uri, samples_of, shrunk, spread
from ffgan_tf.reporting.runs import read_run
from ffgan_tf.utils.grid import grid, tiles


def pixels(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def close(uri, image):
    """WebP at quality 85 halves colour's resolution: these images move by 7 to 9 of 255, another one is 87 away."""
    return np.abs(pixels(uri).astype(int) - image).mean() < 12


@pytest.mark.parametrize("size, count, columns", [(64, 5, None), (32, 16, 4), (256, 3, 2), (128, 1, None)])
def test_tiles_is_the_inverse_of_grid(size, count, columns):
    random = np.random.default_rng(size)
    made = random.integers(0, 256, (count, size, size, 3), np.uint8)
    sentences = [f"{'word ' * random.integers(1, 30)}{number}" for number in range(count)]
    sheet = grid(made, sentences, columns)
    np.testing.assert_array_equal(tiles(sheet, count, size, sentences, columns), made)
    with pytest.raises(ValueError, match="not a grid"):
        tiles(sheet[:-1], count, size, sentences, columns)


def test_spread_has_both_ends():
    assert (
        spread(100, 4) == [0, 33, 66, 99] and spread(3, 16) == [0, 1, 2] and spread(0, 4) == [] and spread(9, 1) == [0]
    )


def test_shrunk_keeps_the_aspect():
    assert shrunk(np.zeros((100, 50, 3), np.uint8), 20).shape == (20, 10, 3)
    assert shrunk(np.zeros((10, 5, 3), np.uint8), 20).shape == (10, 5, 3)


def test_samples_are_the_grid_s_images_with_their_sentences(record):
    found = samples_of(record(), 10**6, [])
    assert [step.step for step in found.steps] == [100, 200, 300] and not found.whole
    for step in found.steps:
        assert [picture.text for picture in step.pictures] == SENTENCES
        assert all(close(picture.uri, image) for picture, image in zip(step.pictures, images(step.step)))
    assert not close(found.steps[0].pictures[0].uri, images(200)[0])


def test_a_budget_bounds_the_steps(record):
    run = record(steps=tuple(range(1, 31)))
    assert len(samples_of(run, 10**9, []).steps) == MOST_STEPS
    whole = samples_of(run, 10**9, [])
    one = sum(len(picture.uri) for picture in whole.steps[0].pictures)
    few = samples_of(run, int(5.5 * one), [])
    assert (
        3 <= len(few.steps) <= 6 and few.steps[0].step == 1 and few.steps[-1].step == 30 and "of 30 grids" in few.note
    )


def test_data_uri_is_the_image():
    image = images(1)[0]
    assert close(data_uri(image), image)


def nearest(uri, others):
    """The number of the image that a data URI is closest to."""
    return int(np.argmin([np.abs(pixels(uri).astype(int) - other).mean() for other in others]))


@pytest.mark.slow
def test_what_is_drawn_is_what_the_runs_sample(tmp_path, tiny_records):
    """Two runs and a third whose checkpoint is damaged, on the same records."""
    folders = [tmp_path / name for name in ("one", "other", "broken")]
    for seed, folder in enumerate(folders):
        make_run(folder, tiny_records, seed)
    damaged = folders[2] / "checkpoints" / f"step-{STEP:08d}" / "state.index"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    runs = [read_run(folder) for folder in folders]
    [found] = draw(runs, count=2, seeds=[3, 4], looked_at=1)
    split = load_split(tiny_records, "test")
    sentences = [row.sentence for row in found.rows]
    assert sentences == [split.texts[0][0], split.texts[-1][0]]
    assert found.runs == [f"one, step {STEP}", f"other, step {STEP}"]
    assert any("no images by its weights" in told for told in runs[2].missing)
    photographs = list(RecordImages(tiny_records, "test", 64).read(0, 8))
    assert [nearest(row.photograph.uri, photographs) for row in found.rows] == [0, 7]
    made = np.concatenate([ffgan_tf.load(folder).generate(sentences, seeds=[3, 4]) for folder in folders[:2]])
    shown = [picture.uri for place in range(2) for row in found.rows for picture in row.images[place]]
    assert [nearest(uri, made) for uri in shown] == list(range(8))
    assert [one.run for one in found.attention] == ["one", "other"]
    assert [word.word for word in found.attention[0].words] == sentences[0].lower().split()[:25]


@pytest.mark.slow
def test_without_records_the_grid_s_sentences_are_drawn(tmp_path, tiny_records):
    folder, gone = tmp_path / "run", str(tmp_path / "none")
    make_run(folder, tiny_records)
    (folder / "samples").mkdir()
    (folder / "samples" / "sentences.txt").write_text("a red bird\nzeppelin\na blue bird\n", encoding="utf-8")
    [found] = draw([read_run(folder, data=gone)], count=3, seeds=[1], looked_at=0, data=gone)
    assert [row.sentence for row in found.rows] == ["a red bird", "a blue bird"]  # the vocabulary lacks the other
    assert found.rows[0].photograph is None and found.runs == [f"run, step {STEP}"]
