"""Sources of images, cached features, protocols and reports, with a small real network in Inception's place."""

import json
import os
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.evaluation import features as features_module
from ffgan_tf.evaluation.engine import evaluate_images, run_images
from ffgan_tf.evaluation.features import extract
from ffgan_tf.evaluation.images import FolderImages, GeneratedImages, RecordImages, read_image
from ffgan_tf.evaluation.paper_table import table, why_not
from ffgan_tf.evaluation.protocols import PROTOCOLS, caption_plan, get_protocol
from ffgan_tf.evaluation.reference import reference_features
from ffgan_tf.evaluation.report import (
    append_json_line,
    curve_table,
    format_table,
    is_reported,
    score_rows,
    write_tensorboard,
)
from ffgan_tf.metrics.fid import fid
from ffgan_tf.metrics.inception_score import inception_score
from ffgan_tf.metrics.kid import kid
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import LIMITS

pytestmark = pytest.mark.filterwarnings("ignore:FID from")
OURS = PROTOCOLS["ffgan"]


class SmallNetwork:
    """Quadratic features of an image's channel means over a 2×2 grid, and a softmax over 4 classes."""

    def __init__(self, seed=0, dies_after=None):
        random = np.random.default_rng(seed)
        self.weights, self.classes = random.normal(size=(12, 9)), random.normal(size=(9, 4))
        self.seed, self.calls, self.seen, self.dies_after = seed, 0, 0, dies_after

    def protocol(self):
        return {"network": "small", "weights_sha256": f"{self.seed}"}

    def features(self, images):
        if self.dies_after is not None and self.seen >= self.dies_after:
            raise KeyboardInterrupt
        if isinstance(images, list):  # of any sizes, as the real networks take them
            actual = [self.features(image[None]) for image in images]
            return {tap: np.concatenate([taps[tap] for taps in actual]) for tap in actual[0]}
        self.calls, self.seen = self.calls + 1, self.seen + len(images)
        height, width = images.shape[1] // 2, images.shape[2] // 2
        grid = images[:, : 2 * height, : 2 * width].reshape(len(images), 2, height, 2, width, 3).mean((2, 4))
        pool = np.tanh(grid.reshape(len(images), 12) / 100 @ self.weights)
        scores = np.exp(3 * pool @ self.classes)
        return {"64": grid, "2048": pool.astype(np.float32), "probabilities": scores / scores.sum(1, keepdims=True)}


def noise_images(count, size=16, seed=0, shift=0):
    random = np.random.default_rng(seed)
    base = random.integers(0, 200, (count, 1, 1, 3)) + random.integers(0, 56, (count, size, size, 3))
    return np.clip(base + shift, 0, 255).astype(np.uint8)


def save_all(folder, images):
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index:04d}.png")
    return str(folder)


def all_of(images):
    return list(images.read(0, images.count))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(features_module, "CHUNK", 10)


# ---- folders


def test_a_folder_is_read_in_order_bit_for_bit(tmp_path):
    images = noise_images(12)
    folder = save_all(tmp_path / "a", images)
    save_all(tmp_path / "a" / "b", images[:2])
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / ".hidden.png").write_text("not one either")
    source = FolderImages(folder, "images")
    assert source.count == 14
    np.testing.assert_array_equal(np.stack(all_of(source)), np.concatenate([images, images[:2]]))
    np.testing.assert_array_equal(np.stack(list(source.read(3, 6))), images[3:6])


def test_grey_palette_and_transparent_images_become_rgb(tmp_path):
    ramp = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(ramp).save(tmp_path / "1.png")
    Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "2.png")
    rgba = np.zeros((8, 8, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "3.png")
    grey, deep, clear = all_of(FolderImages(str(tmp_path), "images"))
    np.testing.assert_array_equal(grey, np.repeat(ramp[..., None], 3, 2))
    np.testing.assert_array_equal(deep, grey)
    assert (clear == 255).all()  # laid over white


def test_missing_empty_and_broken_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="--images=.*no such folder"):
        FolderImages(str(tmp_path / "none"), "images")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="--reference=.*no images"):
        FolderImages(str(tmp_path / "empty"), "reference")
    folder = save_all(tmp_path / "a", noise_images(3, 64))
    whole = (tmp_path / "a" / "0001.png").read_bytes()
    (tmp_path / "a" / "0001.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="0001.png: not a whole image"):
        all_of(FolderImages(folder, "images"))
    (tmp_path / "a" / "0001.png").write_bytes(b"no image at all")
    with pytest.raises(UserError, match="0001.png: not an image"):
        FolderImages(folder, "images")


def test_a_file_too_large_for_an_image_is_told_and_not_read(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "huge.png")
    os.truncate(tmp_path / "huge.png", LIMITS["image"] + 1)  # a hole: it takes no room
    for read in (read_image, lambda path: FolderImages(str(path.parent), "images")):
        with pytest.raises(UserError, match="huge.png: 1,073,741,825 bytes; .*Fix: create the file again"):
            read(tmp_path / "huge.png")


def test_a_curve_has_a_column_for_each_score_that_some_step_has():
    one, other = {"step": 5, "count": 12, "fid": 1.5}, {"step": 1000, "count": 12, "fid": 2.0, "is": 3.0, "is_std": 0.1}
    header, rows = curve_table([one, other])
    assert header == ["step", "images", "FID", "Inception Score"]
    assert rows == [["5", "12", "1.500", "–"], ["1,000", "12", "2.000", "3.000 ± 0.100"]]


def test_a_limit_is_a_seeded_choice(tmp_path):
    folder = save_all(tmp_path / "a", noise_images(30))
    first, again = (FolderImages(folder, "images", 10, seed=1) for _ in range(2))
    assert first.count == 10 and first.paths == again.paths == sorted(first.paths)
    assert first.paths != FolderImages(folder, "images", 10, seed=2).paths


def test_identity_follows_the_content(tmp_path):
    images = noise_images(4)
    one, two = save_all(tmp_path / "a", images), save_all(tmp_path / "b", images)
    assert FolderImages(one, "images").identity(0, 4) == FolderImages(two, "images").identity(0, 4)
    Image.fromarray(images[3] // 2).save(tmp_path / "b" / "0003.png")
    changed = FolderImages(two, "images")
    assert FolderImages(one, "images").identity(0, 4) != changed.identity(0, 4)
    assert FolderImages(one, "images").identity(0, 3) == changed.identity(0, 3)


# ---- records


@pytest.fixture
def record_folder(tmp_path):
    """12 JPEGs of 76×100 pixels (S = 64), converted by the project's own writer."""
    import io

    actual = []
    random = np.random.default_rng(3)
    for index in range(12):
        smooth = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8)).resize((100, 76), 3)
        buffer = io.BytesIO()
        smooth.save(buffer, "JPEG", quality=95)
        actual.append(
            records.Record(
                f"c/{index}", index % 3, buffer.getvalue(), 76, 100, ["a red bird", "it is red"], [[1, 2, 3], [4, 5, 2]]
            )
        )
    folder = tmp_path / "records"
    folder.mkdir()
    splits = {
        name: records.write_split(folder, name, actual[part], len(actual[part]), 5)
        for name, part in (("train", slice(0, 7)), ("test", slice(7, 12)))
    }
    records.write_manifest(
        folder, {"format": records.FORMAT, "name": "cub", "splits": splits, "image": {"max_size": 64}}
    )
    return str(folder), actual


def test_records_are_cropped_in_the_middle(record_folder):
    import io

    folder, actual = record_folder
    images = RecordImages(folder, "test", 64)
    assert (images.count, images.data_name) == (5, "cub")
    for got, record in zip(all_of(images), actual[7:]):
        left, top = (100 - 64) // 2, (76 - 64) // 2
        expected = np.asarray(Image.open(io.BytesIO(record.encoded)).crop((left, top, left + 64, top + 64)))
        np.testing.assert_array_equal(got, expected)  # to the bit: the decoder is the accurate one
    np.testing.assert_array_equal(list(images.read(2, 4))[1], all_of(images)[3])
    with pytest.raises(UserError, match="image_size=100"):
        RecordImages(folder, "test", 100)


def test_augmented_records_are_seeded_and_differ_from_the_centre(record_folder):
    folder, _ = record_folder
    one, same, other = (RecordImages(folder, "train", 64, "random_flip", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(all_of(one), all_of(same))
    assert (np.stack(all_of(one)) != all_of(other)).any()
    centre = RecordImages(folder, "train", 64)
    assert (np.stack(all_of(one)) != all_of(centre)).any()
    assert len({source.identity(0, 7) for source in (one, same, other, centre)}) == 3


# ---- features and their cache


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_features_are_those_of_each_image_alone_in_order(tmp_path, small_chunks, batch):
    images = [noise_images(1, size, seed)[0] for seed, size in enumerate([16, 20, 16, 24, 20] * 5)]
    folder = save_all(tmp_path / "a", images)
    got = extract(FolderImages(folder, "images"), [SmallNetwork()], batch, tmp_path / "cache").arrays[0]
    expected = np.concatenate([SmallNetwork().features(image[None])["2048"] for image in images])
    np.testing.assert_array_equal(got["pool"], expected)
    assert got["probs"].shape == (25, 4)


def test_the_cache_saves_the_work_and_serves_the_same(tmp_path, small_chunks):
    images = FolderImages(save_all(tmp_path / "a", noise_images(25)), "images")
    first, second, other = SmallNetwork(), SmallNetwork(), SmallNetwork(seed=1)
    one = extract(images, [first], 4, tmp_path / "cache").arrays[0]["pool"]
    two = extract(images, [second, other], 4, tmp_path / "cache").arrays
    np.testing.assert_array_equal(one, two[0]["pool"])
    assert (first.seen, second.seen, other.seen) == (25, 0, 25)  # other weights: nothing of the first's is taken
    assert (two[1]["pool"] != one).any()


def test_a_run_that_dies_continues_from_its_chunks(tmp_path, small_chunks):
    images = FolderImages(save_all(tmp_path / "a", noise_images(45)), "images")
    with pytest.raises(KeyboardInterrupt):
        extract(images, [SmallNetwork(dies_after=25)], 5, tmp_path / "cache")
    rest = SmallNetwork()
    got = extract(images, [rest], 5, tmp_path / "cache").arrays[0]["pool"]
    assert rest.seen == 25  # 20 of 45 were whole chunks
    np.testing.assert_array_equal(got, SmallNetwork().features(noise_images(45))["2048"])


def test_a_damaged_cache_file_is_made_again(tmp_path, small_chunks):
    images = FolderImages(save_all(tmp_path / "a", noise_images(15)), "images")
    actual = extract(images, [SmallNetwork()], 5, tmp_path / "cache")
    actual.files[0][0].write_bytes(actual.files[0][0].read_bytes()[:100])
    network = SmallNetwork()
    again = extract(images, [network], 5, tmp_path / "cache")
    assert network.seen == 10
    np.testing.assert_array_equal(again.arrays[0]["pool"], actual.arrays[0]["pool"])


def test_reference_statistics_are_cached_by_content(tmp_path):
    folder = save_all(tmp_path / "a", noise_images(40))
    images, cache = FolderImages(folder, "reference"), tmp_path / "cache"
    features, statistics = reference_features(images, SmallNetwork(), 8, cache)
    np.testing.assert_allclose(statistics.covariance, np.cov(features.astype(np.float64), rowvar=False), atol=1e-12)
    stored = list((tmp_path / "cache").glob("*/statistics-*.npz"))
    assert len(stored) == 1
    before = stored[0].stat().st_mtime_ns
    _, again = reference_features(FolderImages(folder, "reference"), SmallNetwork(), 8, cache)
    np.testing.assert_array_equal(again.mean, statistics.mean)
    assert stored[0].stat().st_mtime_ns == before
    Image.fromarray(noise_images(1, seed=9)[0]).save(f"{folder}/0007.png")
    _, changed = reference_features(FolderImages(folder, "reference"), SmallNetwork(), 8, cache)
    assert (changed.mean != statistics.mean).any()
    assert len(list((tmp_path / "cache").glob("*/statistics-*.npz"))) == 2


# ---- whole evaluations


def evaluated(tmp_path, images, reference, **options):
    one = FolderImages(save_all(tmp_path / "one", images), "images")
    two = FolderImages(save_all(tmp_path / "two", reference), "reference")
    return evaluate_images(one, two, SmallNetwork(), OURS, cache_dir=tmp_path / "cache", **options)


def test_the_report_holds_the_scores_of_its_features(tmp_path):
    images, reference = noise_images(60, seed=1, shift=20), noise_images(50, seed=2)
    report = evaluated(tmp_path, images, reference, step=7)
    one, two = SmallNetwork().features(images), SmallNetwork().features(reference)
    assert report["fid"] == pytest.approx(fid(one["2048"], two["2048"]), rel=1e-9)
    assert report["kid"] == pytest.approx(kid(one["2048"], two["2048"]).mean, rel=1e-9)
    assert (report["is"], report["is_std"]) == pytest.approx(inception_score(one["probabilities"]), rel=1e-9)
    assert 0 < report["coverage"] < 1
    assert (report["count"], report["reference_count"], report["step"], report["seed"]) == (60, 50, 7, 2020)
    assert report["network"] == SmallNetwork().protocol() and report["protocol"]["name"] == "ffgan"
    assert any("biased" in note for note in report["notes"]) and any("subsets of 50" in n for n in report["notes"])
    json.dumps(report, allow_nan=False)


def test_a_folder_against_itself_is_perfect(tmp_path):
    images = noise_images(40)
    report = evaluated(tmp_path, images, images)
    assert abs(report["fid"]) < 1e-9 and report["precision"] == report["recall"] == report["coverage"] == 1


def test_one_image_is_too_few(tmp_path):
    with pytest.raises(UserError, match="at least 2"):
        evaluated(tmp_path, noise_images(1), noise_images(20))


def test_few_images_leave_scores_out_and_say_so(tmp_path):
    report = evaluated(tmp_path, noise_images(4), noise_images(20))
    assert "precision" not in report and "is" not in report and "fid" in report
    assert any("precision" in note for note in report["notes"]) and any("10 splits" in n for n in report["notes"])


def test_a_second_network_gives_the_inception_score(tmp_path):
    images = noise_images(40)
    other = SmallNetwork(seed=5)
    report = evaluated(tmp_path, images, images, is_network=other)
    assert report["is"] == pytest.approx(inception_score(SmallNetwork(5).features(images)["probabilities"])[0])
    assert report["is_network"]["weights_sha256"] == "5" and report["network"]["weights_sha256"] == "0"


def test_without_a_reference_there_is_the_inception_score(tmp_path):
    images = FolderImages(save_all(tmp_path / "a", noise_images(30)), "images")
    report = evaluate_images(images, None, SmallNetwork(), OURS, cache_dir=tmp_path / "cache")
    assert "is" in report and "fid" not in report and "reference" not in report


def test_without_a_reference_the_first_network_rests_where_the_second_gives_the_score(tmp_path):
    images, rests = FolderImages(save_all(tmp_path / "a", noise_images(30)), "images"), SmallNetwork()
    report = evaluate_images(images, None, rests, OURS, is_network=SmallNetwork(5), cache_dir=tmp_path / "cache")
    assert rests.seen == 0 and report["network"]["weights_sha256"] == "5"
    probabilities = SmallNetwork(5).features(noise_images(30))["probabilities"]
    assert report["is"] == pytest.approx(inception_score(probabilities)[0])


def test_features_that_are_not_numbers_stop_it(tmp_path):
    class Broken(SmallNetwork):
        def features(self, images):
            taps = super().features(images)
            taps["2048"][:, 1] = np.nan
            return taps

    images = FolderImages(save_all(tmp_path / "a", noise_images(30)), "images")
    with pytest.raises(UserError, match="NaN"):
        evaluate_images(images, images, Broken(), OURS, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("batch", [7, 64])
def test_a_generator_is_evaluated_whatever_the_batch(tmp_path, small_chunks, batch):
    images = noise_images(33, seed=4)
    reference = FolderImages(save_all(tmp_path / "real", noise_images(30)), "reference")
    seen = []

    def generate(indices):
        seen.extend(indices)
        return images[indices]

    generated = GeneratedImages(generate, 33, {"step": 3}, "generated", batch)
    report = evaluate_images(generated, reference, SmallNetwork(), OURS, batch=batch, cache_dir=tmp_path / "cache")
    assert seen == list(range(33))
    expected = fid(SmallNetwork().features(images)["2048"], SmallNetwork().features(noise_images(30))["2048"])
    assert report["fid"] == pytest.approx(expected, rel=1e-9)
    left = list((tmp_path / "cache").glob("*/*.npz"))
    assert len(left) == 4  # three chunks of the reference and its statistics: the generated ones are not kept


def test_a_generator_of_floats_is_refused(tmp_path):
    images = GeneratedImages(lambda indices: np.zeros((len(indices), 8, 8, 3), np.float32), 4, {}, "floats")
    with pytest.raises(ValueError, match="uint8"):
        all_of(images)


def test_a_runs_images_come_from_the_planned_captions(record_folder):
    """The sampler here draws its arguments: token sums, ids, seed and truncation as pixel values."""
    folder, _ = record_folder
    vocabulary = Vocabulary(["<end>", "a", "red", "bird", "it", "is"])
    vocabulary.save(f"{folder}/{records.VOCABULARY}")

    def sampler(tokens, seed, ids, truncation):
        values = [[sum(row) * 10 + len(row), number, seed + 100 * truncation] for row, number in zip(tokens, ids)]
        return np.broadcast_to(np.array(values, np.uint8)[:, None, None], (len(tokens), 4, 4, 3))

    def fake_run(weight=1.0, words=vocabulary):
        layer = SimpleNamespace(get_weights=lambda: [np.full((2, 2), weight, np.float32)])
        return SimpleNamespace(
            sampler=sampler,
            vocabulary=words,
            generator=layer,
            text_encoder=layer,
            step=9,
            path="runs/x",
            config=SimpleNamespace(model=SimpleNamespace(image_size=64)),
        )

    images = run_images(fake_run(), folder, OURS, 0, seed=5, batch=3)
    assert images.count == 10 and "step 9" in images.what  # 5 test images of two captions
    pixels = np.stack(all_of(images))[:, 0, 0]
    assert pixels[:, 0].tolist() == [63, 113] * 5 and pixels[:, 1].tolist() == list(range(10))
    assert (pixels[:, 2] == 5).all()
    truncated = run_images(fake_run(), folder, PROTOCOLS["dfgan"], 0, seed=5)
    assert truncated.count == 50 and next(truncated.read(0, 1))[0, 0, 2] == 93
    sources = [
        images,
        truncated,
        run_images(fake_run(2.0), folder, OURS, 0, seed=5),
        run_images(fake_run(), folder, OURS, 0, seed=6),
    ]
    assert len({source.identity(0, 10) for source in sources}) == 4
    with pytest.raises(UserError, match="another vocabulary"):
        run_images(fake_run(words=Vocabulary(["<end>", "a"])), folder, OURS, 0, seed=5)


# ---- protocols


def test_each_caption_is_taken_once_up_to_the_limit():
    plan = caption_plan(np.array([10, 9, 10]), OURS, 0, seed=1)
    assert len(plan) == 29 == len({tuple(pair) for pair in plan}) and plan[:, 0].tolist() == sorted(plan[:, 0])
    few = caption_plan(np.full(50, 10), OURS, 100, seed=1)
    assert len(few) == 100 == len({tuple(pair) for pair in few}) and few[:, 0].max() > 45  # not the first hundred
    np.testing.assert_array_equal(few, caption_plan(np.full(50, 10), OURS, 100, seed=1))
    assert (few != caption_plan(np.full(50, 10), OURS, 100, seed=2)).any()


def test_cycling_and_random_captions():
    captions = np.array([10, 8])
    cycled = caption_plan(captions, PROTOCOLS["stackgan_is"], 40, seed=1)
    assert len(cycled) == 40 and (cycled[18:36] == cycled[:18]).all()
    assert len(caption_plan(captions, PROTOCOLS["stackgan_is"], 0, seed=1)) == 30_000
    drawn = caption_plan(captions, PROTOCOLS["dfgan"], 0, seed=1)
    assert np.bincount(drawn[:, 0]).tolist() == [10, 10] and (drawn[:, 1] < captions[drawn[:, 0]]).all()
    few = caption_plan(captions, PROTOCOLS["dfgan"], 12, seed=1)
    assert len(few) == 12 and max(np.bincount(few[:, 0])) <= 10 and (few[:, 1] < captions[few[:, 0]]).all()
    assert (few != caption_plan(captions, PROTOCOLS["dfgan"], 12, seed=2)).any()
    assert len(caption_plan(captions, PROTOCOLS["dfgan"], 99, seed=1)) == 20


def test_protocols_are_known_by_name_and_their_networks_load():
    from ffgan_tf.evaluation.inception.networks import NETWORKS
    from ffgan_tf.evaluation.inception.preprocessing import PREPROCESSING

    assert list(PROTOCOLS) == ["ffgan", "ttur", "pytorch_fid", "clean", "dfgan", "stackgan_is"]
    for protocol in PROTOCOLS.values():
        assert protocol.network in NETWORKS or protocol.network == ""
        assert protocol.preprocessing in PREPROCESSING or protocol.preprocessing == ""
    with pytest.raises(UserError, match="ffgan, ttur"):
        get_protocol("mine")


# ---- reports


def paper_report(**changes):
    report = {
        "fid": 20.0,
        "is": 4.0,
        "is_std": 0.1,
        "count": 30_000,
        "step": 5,
        "notes": [],
        "protocol": {"name": "ffgan", "splits": 10},
        "network": {"network": "fid2015"},
        "is_network": {"network": "stackgan_birds"},
    }
    return report | changes


def test_the_papers_table_holds_its_figures_and_our_row():
    header, rows, notes = table(paper_report(), "cub")
    assert header == ["method", "CUB IS", "CUB FID", "Oxford-102 IS", "Oxford-102 FID"]
    assert rows[4] == ["FF-GAN (paper)", "4.48 ± 0.04", "13.04", "4.06 ± 0.01", "38.76"]
    assert rows[0][2] == "–" and rows[1][1:] == ["3.70 ± 0.04", "32.12", "3.20 ± 0.01", "55.28"]
    assert rows[5][1:] == ["4.00 ± 0.10", "20.00*", "–", "–"]
    assert len(notes) == 1 and "the paper states neither network" in notes[0]


@pytest.mark.parametrize(
    "changes, dataset, score, reason",
    [
        ({"is_network": {"network": "keras"}}, "cub", "is", "keras"),
        ({}, "oxford102", "is", "stackgan_flowers"),
        ({"count": 2000}, "cub", "is", "2,000 images"),
        ({"count": 2000}, "cub", "fid", "bias"),
        ({"network": {"network": "keras"}}, "cub", "fid", "keras"),
        ({"step": None}, "cub", "fid", "folder"),
        ({}, "demo", "is", "demo"),
    ],
)
def test_what_does_not_compare_is_said(changes, dataset, score, reason):
    reasons = why_not(paper_report(**changes), dataset)[score]
    assert any(reason in text for text in reasons), reasons
    _, rows, notes = table(paper_report(**changes), dataset)
    assert "*" in " ".join(rows[-1]) and any(reason in note for note in notes)


def test_ten_thousand_images_are_enough_for_an_fid_and_thirty_thousand_for_an_inception_score():
    few = why_not(paper_report(count=9_999), "cub")
    enough = why_not(paper_report(count=10_000), "cub")
    assert len(few["fid"]) == 2 and len(enough["fid"]) == 1
    assert "10,000 images" in enough["is"][0] and why_not(paper_report(count=30_000), "cub")["is"] == []
    assert why_not(paper_report(protocol={"name": "own", "splits": 9}), "cub")["is"] == ["9 splits, not 10"]


def test_a_score_that_was_not_measured_says_what_it_needs():
    report = {key: value for key, value in paper_report(step=None).items() if key not in ("is", "is_std")}
    _, rows, notes = table(report, "cub")
    assert (
        rows[-1][1] == "–" and notes[0] == "IS: not measured: it needs --is_inception=stackgan_birds and its weights."
    )


def test_tables_in_three_forms():
    header, rows = ["a", "b"], [["x|y", "1 ± 2"], ["50%", "–"]]
    assert format_table(header, rows, "md").splitlines()[2] == "| x\\|y | 1 ± 2 |"
    latex = format_table(header, rows, "latex")
    assert r"x|y & 1 $\pm$ 2 \\" in latex and r"50\% & -- \\" in latex and latex.count("\n") == 7
    assert format_table(header, rows, "text").splitlines()[2:] == ["x|y  1 ± 2", "50%  –"]
    assert score_rows({"fid": 1.23456, "kid": 0.001234, "kid_std": 0.0001}) == [
        ["FID", "1.235"],
        ["KID", "0.00123 ± 0.00010"],
    ]


def test_json_lines_are_appended_and_tensorboard_reads_back(tmp_path):
    report = paper_report()
    for step in (5, 6):
        append_json_line(tmp_path / "run" / "metrics.jsonl", report | {"step": step})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [report, report | {"step": 6}]
    with pytest.raises(ValueError):
        append_json_line(tmp_path / "run" / "metrics.jsonl", {"fid": float("nan")})
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2

    write_tensorboard(tmp_path / "tb", report)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray
    events = EventAccumulator(str(tmp_path / "tb"))
    events.Reload()
    tags = events.Tags()["tensors"]
    assert sorted(tags) == ["evaluation/fid", "evaluation/is", "evaluation/is_std"]
    event = events.Tensors("evaluation/fid")[0]
    assert (event.step, float(make_ndarray(event.tensor_proto))) == (5, 20.0)


def test_a_step_that_is_evaluated_again_is_reported_once(tmp_path):
    """But for its time: a training killed behind its evaluation evaluates again when it continues."""
    path, report = tmp_path / "metrics.jsonl", paper_report(time="then", duration_s=3.0)
    assert not is_reported(path, report)
    append_json_line(path, report)
    with open(path, "ab") as file:
        file.write(b"{half a line\n[1]\n")
    append_json_line(path, report | {"step": 6})
    assert is_reported(path, report | {"time": "now", "duration_s": 4.0}) and is_reported(path, report | {"step": 6})
    assert not is_reported(path, report | {"fid": 20.5}) and not is_reported(path, report | {"step": 7})


def test_cached_features_of_another_size_crop_or_part_have_another_name(tiny_records):
    """Or the features of one would be taken for those of the other."""
    names = {
        RecordImages(str(tiny_records), split, size, crop, seed=seed).identity(start, 4)
        for split, size, crop, seed, start in (
            ("test", 64, "centre", 1, 0),
            ("test", 32, "centre", 1, 0),
            ("test", 64, "random_flip", 1, 0),
            ("test", 64, "random_flip", 2, 0),
            ("train", 64, "centre", 1, 0),
            ("test", 64, "centre", 1, 2),
        )
    }
    assert len(names) == 6
