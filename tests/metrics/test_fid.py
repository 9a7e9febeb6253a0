"""FID and its statistics against closed forms and SciPy's matrix square root."""

import warnings

import numpy as np
import pytest
import scipy.linalg

from ffgan_tf.metrics.fid import fid, frechet_distance
from ffgan_tf.metrics.statistics import FeatureStatistics
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import npz_bytes

pytestmark = pytest.mark.filterwarnings("ignore:FID from")


@pytest.fixture
def random():
    return np.random.default_rng(7)


def covariance(random, dimension, rank=None):
    a = random.normal(size=(dimension, rank or 2 * dimension))
    return a @ a.T / a.shape[1]


def rotation(random, dimension):
    return np.linalg.qr(random.normal(size=(dimension, dimension)))[0]


def sqrtm_fid(x, y):
    """The textbook formula with a general matrix square root: the reference, in tests only."""
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    d = x.mean(0) - y.mean(0)
    return d @ d + np.trace(s1) + np.trace(s2) - 2 * np.trace(scipy.linalg.sqrtm(s1 @ s2)).real


def test_commuting_gaussians_have_a_closed_form(random):
    basis = rotation(random, 40)
    a, b = random.uniform(0.1, 5, 40), random.uniform(0.1, 5, 40)
    mean1, mean2 = random.normal(size=(2, 40))
    expected = ((mean1 - mean2) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    got = frechet_distance(mean1, basis * a @ basis.T, mean2, basis * b @ basis.T)
    assert got == pytest.approx(expected, rel=1e-10)


def test_equal_covariances_leave_the_means(random):
    sigma = covariance(random, 60)
    mean1, mean2 = random.normal(size=(2, 60))
    assert frechet_distance(mean1, sigma, mean2, sigma) == pytest.approx(((mean1 - mean2) ** 2).sum(), rel=1e-9)


def test_a_singular_covariance_is_handled(random):
    a, b = np.zeros(30), np.zeros(30)
    a[:10], b[5:20] = 2.0, 3.0
    basis = rotation(random, 30)
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    got = frechet_distance(np.zeros(30), basis * a @ basis.T, np.zeros(30), basis * b @ basis.T)
    assert got == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count1, count2", [(300, 400), (30, 400), (400, 30), (30, 50), (50, 50), (2, 400), (2, 3)])
def test_every_branch_agrees_with_sqrtm(random, count1, count2):
    mix = random.normal(size=(50, 50)) / 7
    x, y = random.normal(size=(count1, 50)) @ mix, random.normal(size=(count2, 50)) @ mix * 1.3 + 0.2
    tolerance = 1e-6 if min(count1, count2) > 50 else 1e-4  # sqrtm itself is the inexact one on singular products
    assert fid(x, y) == pytest.approx(sqrtm_fid(x, y), rel=tolerance)


def test_few_samples_have_a_closed_form():
    """Four points along axis 1 against four along axis 2: disjoint supports, so FID = ‖Δμ‖² + TrΣ₁ + TrΣ₂."""
    x, y = np.zeros((4, 20)), np.zeros((4, 20))
    x[:, 0], y[:, 1] = [0, 1, 2, 5], [0, 3, 3, 6]
    expected = (2**2 + 3**2) + np.var([0, 1, 2, 5], ddof=1) + np.var([0, 3, 3, 6], ddof=1)
    assert fid(x, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [40, 400])
def test_a_set_against_itself_is_zero(random, count):
    x = random.normal(size=(count, 64)).astype(np.float32) * 3 + 100
    assert abs(fid(x, x.copy())) < 1e-7


def test_order_of_the_sets_does_not_matter(random):
    x, y = random.normal(size=(90, 32)), random.normal(size=(20, 32)) + 1
    assert fid(x, y) == pytest.approx(fid(y, x), rel=1e-9)


def test_known_population_value_is_approached(random):
    x, y = random.normal(size=(200_000, 4)), 2 * random.normal(size=(200_000, 4)) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # enough samples: no warning
        assert fid(x, y) == pytest.approx(4 * 1 + 4 * (2 - 1) ** 2, rel=0.02)


def test_small_counts_warn_and_too_small_ones_stop(random):
    x = random.normal(size=(10, 4))
    with pytest.warns(UserWarning, match="biased"):
        fid(x, x + 1)
    with pytest.raises(UserError, match="at least 2"):
        fid(x[:1], x)
    with pytest.raises(UserError, match="different networks"):
        fid(x, x[:, :3])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_is_an_error_out(random, bad):
    x = random.normal(size=(10, 4))
    broken = x.copy()
    broken[6, 2] = bad
    with pytest.raises(UserError, match="row 6"):
        fid(x, broken)
    with pytest.raises(UserError, match="row 6"):
        FeatureStatistics(4).update(broken)
    with pytest.raises(UserError, match="NaN"):
        frechet_distance(broken[6], np.eye(4), x[0], np.eye(4))


# ---- statistics


def streamed(x, batch):
    statistics = FeatureStatistics(x.shape[1])
    for start in range(0, len(x), batch):
        statistics.update(x[start : start + batch])
    return statistics


@pytest.mark.parametrize("batch", [1, 7, 32, 64, 1000])
def test_statistics_do_not_depend_on_the_batch(random, batch):
    x = (random.normal(size=(333, 24)) + 1000).astype(np.float32)  # a large mean: E[x²] − E[x]² would lose six digits
    got = streamed(x, batch)
    assert got.count == 333
    np.testing.assert_allclose(got.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(got.covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=0, atol=1e-10)


def test_merged_parts_are_the_whole(random):
    x = random.normal(size=(200, 16)) * 5 + 30
    merged = FeatureStatistics(16)
    for part in (x[:3], x[3:3], x[3:150], x[150:]):
        merged.merge(FeatureStatistics.of(part))
    np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(merged.covariance, np.cov(x, rowvar=False), rtol=0, atol=1e-10)


def test_statistics_survive_the_disk(random, tmp_path):
    statistics = FeatureStatistics.of(random.normal(size=(20, 6)))
    statistics.save(tmp_path / "s.npz")
    loaded = FeatureStatistics.load(tmp_path / "s.npz")
    assert loaded.count == 20
    np.testing.assert_array_equal(loaded.mean, statistics.mean)
    np.testing.assert_allclose(loaded.covariance, statistics.covariance, rtol=1e-14)
    assert [path.name for path in tmp_path.iterdir()] == ["s.npz"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"not a zip at all"])
def test_a_broken_statistics_file_is_named(tmp_path, content):
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(UserError, match="s.npz"):
        FeatureStatistics.load(tmp_path / "s.npz")


def test_statistics_whose_parts_do_not_fit_are_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(npz_bytes({"mu": np.zeros(3), "sigma": np.eye(2), "count": np.int64(9)}))
    with pytest.raises(UserError, match="covariance"):
        FeatureStatistics.load(tmp_path / "s.npz")


def test_pickled_statistics_are_refused(tmp_path):
    np.savez(tmp_path / "s.npz", mu=np.array([{}], dtype=object), sigma=np.eye(1), count=3)
    with pytest.raises(UserError, match="s.npz"):
        FeatureStatistics.load(tmp_path / "s.npz")


def test_one_image_has_no_covariance():
    with pytest.raises(UserError, match="at least 2"):
        FeatureStatistics.of(np.ones((1, 3))).covariance
