"""KID, Inception Score, precision/recall/density/coverage and R-precision against direct computation."""

import inspect

import numpy as np
import pytest

from ffgan_tf.metrics import prdc as prdc_module
from ffgan_tf.metrics.fid import fid
from ffgan_tf.metrics.inception_score import InceptionScore, inception_score
from ffgan_tf.metrics.kid import kid, polynomial_mmd
from ffgan_tf.metrics.prdc import prdc
from ffgan_tf.metrics.r_precision import r_precision
from ffgan_tf.metrics.scores import compare_features, score_classes
from ffgan_tf.utils.errors import UserError


@pytest.fixture
def random():
    return np.random.default_rng(11)


def test_defaults_are_those_of_the_publications():
    """docs/evaluation.md has them: torch-fidelity's KID, StackGAN's splits, prdc's k, AttnGAN's R-precision."""

    def defaults(function):
        return {name: value.default for name, value in inspect.signature(function).parameters.items()}

    assert {"subsets": 100, "subset_size": 1000}.items() <= defaults(kid).items()
    assert defaults(inception_score)["splits"] == defaults(InceptionScore)["splits"] == 10
    assert {"k": 5, "max_samples": 10_000}.items() <= defaults(prdc).items()
    assert {"wrong": 99, "groups": 10}.items() <= defaults(r_precision).items()


# ---- KID


def test_mmd_is_the_double_loop(random):
    x, y = random.normal(size=(9, 5)), random.normal(size=(9, 5)) + 0.5

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b)) / 5 + 1) ** 3

    pairs = [(i, j) for i in range(9) for j in range(9)]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / 72
    expected = within - 2 * sum(k(x[i], y[j]) for i, j in pairs) / 81
    assert polynomial_mmd(x, y) == pytest.approx(expected, rel=1e-12)


def test_kid_of_one_distribution_is_zero_within_its_error(random):
    result = kid(random.normal(size=(3000, 16)), random.normal(size=(3000, 16)), subsets=50, subset_size=300)
    assert abs(result.mean) < 4 * result.std / np.sqrt(50) + 1e-3
    assert (result.subsets, result.subset_size) == (50, 300)


def test_kid_has_a_closed_form_for_shifted_gaussians(random):
    """One feature, kernel (xy + 1)³: MMD² is Σ C(3,i)(E xⁱ − E yⁱ)²; for N(0,1), N(1,1) the moments are 010, 124."""
    result = kid(random.normal(size=(20_000, 1)), random.normal(size=(20_000, 1)) + 1, subsets=20, subset_size=1000)
    assert result.mean == pytest.approx(3 * 1 + 3 * 1 + 1 * 16, rel=0.1)


def test_kid_is_seeded_and_shrinks_its_subsets(random):
    x, y = random.normal(size=(50, 8)), random.normal(size=(70, 8)) + 1
    first, again, other = kid(x, y, 5, 20, seed=1), kid(x, y, 5, 20, seed=1), kid(x, y, 5, 20, seed=2)
    assert first == again and first.mean != other.mean
    assert kid(x, y, subsets=3).subset_size == 50
    assert kid(x[:2], y, subsets=3).subset_size == 2, "two images are the least"
    with pytest.raises(UserError, match="at least 2"):
        kid(x[:1], y)


# ---- Inception Score


def test_uniform_predictions_score_one():
    assert inception_score(np.full((1000, 20), 1 / 20)) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_balanced_one_hot_predictions_score_the_number_of_classes():
    p = np.tile(np.eye(8), (100, 1))
    mean, _ = inception_score(p, splits=1)
    assert mean == pytest.approx(8.0, rel=1e-12)


def test_every_image_in_one_class_scores_one():
    p = np.zeros((100, 5))
    p[:, 2] = 1
    assert inception_score(p)[0] == pytest.approx(1.0)


@pytest.mark.parametrize("batch", [1, 13, 103])
def test_streamed_splits_are_the_definition(random, batch):
    p = random.dirichlet(np.full(6, 0.3), size=103)
    order = np.arange(103)
    np.random.RandomState(5).shuffle(order)
    expected = []
    for split in range(10):
        part = p[order][split * 103 // 10 : (split + 1) * 103 // 10]
        expected.append(np.exp((part * (np.log(part) - np.log(part.mean(0)))).sum(1).mean()))
    score = InceptionScore(103, seed=5)
    for start in range(0, 103, batch):
        score.update(p[start : start + batch])
    assert score.result() == pytest.approx((np.mean(expected), np.std(expected)), rel=1e-10)


def test_bad_probabilities_are_refused():
    with pytest.raises(UserError, match="not logits"):
        inception_score(np.ones((20, 4)))
    with pytest.raises(UserError, match="NaN"):
        inception_score(np.full((20, 4), np.nan))
    with pytest.raises(UserError, match="at least 10"):
        inception_score(np.full((9, 4), 0.25))


def test_one_image_a_split_scores_one():
    """p(y|x) is then its split's own p(y): no information."""
    assert inception_score(np.eye(10)) == pytest.approx((1.0, 0.0))


# ---- precision, recall, density, coverage


def brute_prdc(real, fake, k):
    def distance(a, b):
        return np.sqrt(((a - b) ** 2).sum())

    def radius(points, i):
        return sorted(distance(points[i], points[j]) for j in range(len(points)) if j != i)[k - 1]

    real_radius = [radius(real, i) for i in range(len(real))]
    fake_radius = [radius(fake, j) for j in range(len(fake))]
    inside = np.array([[distance(r, f) < real_radius[i] for f in fake] for i, r in enumerate(real)])
    recalled = [any(distance(r, f) < fake_radius[j] for j, f in enumerate(fake)) for r in real]
    return {
        "precision": inside.any(0).mean(),
        "recall": np.mean(recalled),
        "density": inside.sum(0).mean() / k,
        "coverage": inside.any(1).mean(),
    }  # the nearest fake lies in the ball: some fake does


@pytest.mark.parametrize("count, size", [(40, 3), (100, 16), (300, 40)])
def test_a_set_against_itself(random, count, size):
    """A row lies in its own ball and in as many others as it is among the k − 1 nearest of: k on average."""
    features = random.normal(3, 1, size=(count, size)).astype(np.float32)
    actual = prdc(features, features.copy(), k=5)
    assert [actual[name] for name in ("precision", "recall", "density", "coverage")] == [1, 1, 1, 1]


@pytest.mark.parametrize("k, shift", [(1, 0.5), (3, 0.8), (5, 0.3)])
def test_prdc_is_the_brute_force(random, monkeypatch, k, shift):
    monkeypatch.setattr(prdc_module, "_CHUNK", 7)  # several chunks, the last one partial
    real, fake = random.normal(size=(30, 3)), random.normal(size=(23, 3)) * 1.2 + shift
    expected = brute_prdc(real, fake, k)
    assert 0 < expected["recall"] < 1
    got = prdc(real, fake, k)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value), name


def test_a_distance_equal_to_the_radius_is_outside():
    """As in the package `prdc`. On a lattice with mean 0 every distance is exact and ties are common."""
    steps = np.arange(-2.0, 3.0)
    real = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    fake = real[::3] + [1, 0]
    expected = brute_prdc(real, fake, 1)
    assert 0 < expected["recall"] < 1 and 0 < expected["coverage"] < 1
    got = prdc(real, fake, 1)
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_prdc_at_its_ends(random):
    real = random.normal(size=(50, 4)).astype(np.float32) + 300
    assert {prdc(real, real)[name] for name in ("precision", "recall", "coverage")} == {1.0}
    far = prdc(real, real + 1000)
    assert [far[name] for name in ("precision", "recall", "density", "coverage")] == [0, 0, 0, 0]
    with pytest.raises(UserError, match="more than 5"):
        prdc(real[:5], real)


def test_prdc_thins_large_sets_by_seed(random):
    real, fake = random.normal(size=(300, 3)), random.normal(size=(400, 3)) + 0.5
    got = prdc(real, fake, max_samples=100, seed=1)
    assert (got["real_count"], got["fake_count"]) == (100, 100)
    assert got == prdc(real, fake, max_samples=100, seed=1) != prdc(real, fake, max_samples=100, seed=2)


# ---- all of them


@pytest.mark.filterwarnings("ignore:FID from")
def test_all_scores_of_a_narrow_set_against_a_wide_one(random):
    """Each of its images looks real, few of the real ones look like it: precision and recall keep their sides."""
    wide, narrow = random.normal(size=(200, 4)), 0.05 * random.normal(size=(60, 4))
    scores, notes = compare_features(narrow, wide, seed=5, kid_subsets=10)
    assert scores["precision"] == 1 and scores["recall"] < 0.1
    assert (scores["prdc_k"], scores["prdc_real_count"], scores["prdc_fake_count"]) == (5, 200, 60)
    assert scores["fid"] == pytest.approx(fid(narrow, wide))
    distance = kid(narrow, wide, 10, seed=5)
    assert (scores["kid"], scores["kid_std"]) == (distance.mean, distance.std)
    assert (scores["kid_subsets"], scores["kid_subset_size"]) == (10, 60)
    assert any("subsets of 60 instead of 1,000" in note for note in notes)


def test_a_thousand_images_are_enough_for_kids_subsets(random):
    features = random.normal(size=(2, 1000, 2))
    scores, notes = compare_features(*features, kid_subsets=2)
    assert scores["kid_subset_size"] == 1000 and not any("instead of" in note for note in notes)


@pytest.mark.filterwarnings("ignore:FID from")
def test_neighbours_need_more_images_than_five(random):
    few, more = random.normal(size=(5, 2)), random.normal(size=(6, 2))
    for one, other in ((few, more), (more, few)):
        scores, notes = compare_features(one, other, kid_subsets=2)
        assert "fid" in scores and "precision" not in scores and any("more than 5 images a side" in n for n in notes)
    scores, notes = compare_features(more, more, kid_subsets=2)
    assert scores["precision"] == 1 and not any("a side" in note for note in notes)


def test_an_inception_score_needs_a_class_head_and_an_image_for_each_split(random):
    probabilities = random.dirichlet(np.ones(7), 4)
    mean, std = inception_score(probabilities, 4, 3)
    assert score_classes(probabilities, 4, 3) == ({"is": mean, "is_std": std, "is_classes": 7}, [])
    for given, splits, reason in ((probabilities, 5, "5 splits need at least 5 images"), (None, 4, "no class head")):
        scores, [note] = score_classes(given, splits, 3)
        assert scores == {} and reason in note


# ---- R-precision


def test_matching_codes_always_find_their_caption(random):
    captions = random.normal(size=(400, 32))
    classes = np.arange(400) % 4
    mean, std = r_precision(captions[:100] * 3, captions[:100], classes[:100], captions, classes)
    assert (mean, std) == (1.0, 0.0)


def test_unrelated_codes_find_it_one_time_in_a_hundred(random):
    captions, classes = random.normal(size=(1000, 16)), np.arange(1000) % 10
    own = np.arange(5000) % 1000
    mean, _ = r_precision(random.normal(size=(5000, 16)), captions[own], classes[own], captions, classes)
    assert 0.005 < mean < 0.016  # binomial: 0.010 ± 0.0014


def test_constant_codes_score_nothing():
    codes, classes = np.ones((50, 8)), np.arange(50) % 2
    assert r_precision(codes, codes, classes, codes, classes, wrong=20)[0] == 0.0


def test_wrong_captions_are_of_other_classes():
    """All captions of a class are alike: were the own class among the candidates, every image would tie and miss."""
    classes = np.arange(60) % 3
    codes = np.eye(3)[classes]
    assert r_precision(codes, codes, classes, codes, classes, wrong=30)[0] == 1.0
    with pytest.raises(UserError, match="captions of other classes"):
        r_precision(codes, codes, classes, codes, classes)


def test_wrong_captions_are_drawn_without_replacement(random):
    """A pool of 99 other captions, one of which beats the image's own: it is among the candidates every time."""
    image = np.tile([1.0, 0.0, 0.0], (200, 1))
    own = np.tile([1.0, 1.0, 0.0], (200, 1))
    pool = np.concatenate([[[1.0, 0.1, 0.0]], np.tile([0.0, 0.0, 1.0], (98, 1))])
    assert r_precision(image, own, np.zeros(200), pool, np.ones(99))[0] == 0.0
    assert r_precision(image, own, np.zeros(200), np.roll(pool, 2, axis=1), np.ones(99))[0] == 1.0


def test_codes_and_classes_of_different_lengths_are_refused(random):
    codes, classes = random.normal(size=(30, 4)), np.arange(30) % 3
    for lengths in ((29, 30, 30, 30), (30, 29, 30, 30), (30, 30, 29, 30), (30, 30, 30, 29)):
        a, b, c, d = lengths
        with pytest.raises(ValueError, match="differ in length"):
            r_precision(codes[:a], codes[:b], classes[:c], codes, classes[:d], wrong=15)
