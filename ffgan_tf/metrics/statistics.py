"""Mean and covariance of features in float64: streamed, mergeable, the same whatever the batch size."""

import os

import numpy as np

from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.reading import npz_bytes, read_npz


def check_features(features: np.ndarray, what: str) -> np.ndarray:
    """Returns `features` as an array [N, D]; UserError where it has another rank or a NaN or infinity."""
    features = np.asarray(features)
    if features.ndim != 2:
        raise UserError(f"{what}: features must be [N, D], not {list(features.shape)}")
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise UserError(
            f"{what}: {int(bad.sum())} of {len(features)} rows hold NaN or infinity, the first is row "
            f"{int(np.argmax(bad))}. Fix: look at that image, or at the network's weights file."
        )
    return features


class FeatureStatistics:
    """Count, mean [D] and scatter [D, D] of the rows so far, by the pairwise update of Chan et al. (1979).

    Batches are centred before their outer product is taken, so large means do not eat the digits of small variances.
    """

    def __init__(self, dimension: int):
        self.count = 0
        self.mean = np.zeros(dimension)
        self._scatter = np.zeros((dimension, dimension))

    @classmethod
    def of(cls, features: np.ndarray, chunk: int = 4096) -> "FeatureStatistics":
        """The statistics of `features` [N, D]."""
        statistics = cls(features.shape[1])
        for start in range(0, len(features), chunk):
            statistics.update(features[start : start + chunk])
        return statistics

    def update(self, features: np.ndarray) -> "FeatureStatistics":
        """Adds rows [N, D]; N may be 0. Raises UserError, adding nothing, where a row is not finite."""
        rows = check_features(features, "feature statistics").astype(np.float64)
        if len(rows) == 0:
            return self
        mean = rows.mean(axis=0)
        rows -= mean
        return self._add(len(rows), mean, rows.T @ rows)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Adds the rows of `other`."""
        return self._add(other.count, other.mean, other._scatter)

    def _add(self, count: int, mean: np.ndarray, scatter: np.ndarray) -> "FeatureStatistics":
        if count == 0:
            return self
        total = self.count + count
        delta = mean - self.mean
        self._scatter += scatter
        self._scatter += np.outer(delta, delta) * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total
        return self

    @property
    def covariance(self) -> np.ndarray:
        """[D, D], divided by N - 1. UserError below two rows."""
        if self.count < 2:
            raise UserError(f"a covariance needs at least 2 images; there is {self.count}. Fix: use more images.")
        return self._scatter / (self.count - 1)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an npz with `mu`, `sigma` (the names pytorch-fid uses) and `count`, atomically."""
        with report_write_errors(path):
            write_atomic(path, npz_bytes({"mu": self.mean, "sigma": self.covariance, "count": np.int64(self.count)}))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "FeatureStatistics":
        """Reads a file written by `save`, exactly. Raises UserError for any other file."""
        try:
            values = read_npz(path)
            mean, covariance, count = values["mu"], values["sigma"], int(values["count"])
            if covariance.shape != (len(mean), len(mean)):
                raise ValueError(f"mean {list(mean.shape)}, covariance {list(covariance.shape)}")
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: not a statistics file of this program ({error}). Fix: delete it; it will be computed again."
            ) from error
        statistics = cls(len(mean))
        statistics.count, statistics.mean, statistics._scatter = count, mean, covariance * (count - 1)
        return statistics
