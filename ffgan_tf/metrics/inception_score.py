"""Inception Score (Salimans et al. 2016, the paper's Eq. 11), streamed: exp(E_x KL(p(y|x) ‖ p(y)))."""

import numpy as np

from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.metrics.statistics import check_features
from ffgan_tf.utils.errors import UserError


class InceptionScore:
    """Takes the class probabilities of `total` images in order, in batches of any size; holds only sums per split.

    Images are dealt to the splits by a seeded shuffle, as StackGAN's script and torch-fidelity do: generated images
    come in the order of their captions' classes, and a split with few classes would score low.
    """

    def __init__(self, total: int, splits: int = 10, seed: int = SEED):
        if total < splits:
            raise UserError(
                f"the Inception Score over {splits} splits needs at least {splits} images; there are "
                f"{total}. Fix: use more images."
            )
        self.total, self.splits = total, splits
        order = np.arange(total)
        np.random.RandomState(seed).shuffle(order)
        self._split = np.empty(total, np.int64)
        for split in range(splits):  # torch-fidelity's and StackGAN's bounds: the sizes differ by one at most
            self._split[order[split * total // splits : (split + 1) * total // splits]] = split
        self._seen = 0
        self._sum_p: np.ndarray | None = None
        self._sum_plogp = np.zeros(splits)

    def update(self, probabilities: np.ndarray) -> "InceptionScore":
        """Adds p(y|x) [N, K], rows that sum to 1. Raises UserError for NaN, and where rows do not sum to 1."""
        p = check_features(probabilities, "Inception Score").astype(np.float64)
        if (p < 0).any() or (abs(p.sum(axis=1) - 1) > 1e-3).any():
            raise UserError("Inception Score: rows must be probabilities (≥ 0, sum 1), not logits.")
        if self._seen + len(p) > self.total:
            raise ValueError(f"more than the {self.total} rows that were announced")
        if self._sum_p is None:
            self._sum_p = np.zeros((self.splits, p.shape[1]))
        split = self._split[self._seen : self._seen + len(p)]
        np.add.at(self._sum_p, split, p)
        np.add.at(self._sum_plogp, split, _plogp(p).sum(axis=1))
        self._seen += len(p)
        return self

    def result(self) -> tuple[float, float]:
        """Mean and (population) standard deviation over the splits."""
        if self._seen != self.total:
            raise ValueError(f"{self._seen} of {self.total} rows seen")
        counts = np.bincount(self._split, minlength=self.splits)
        # E KL = E Σ p log p − Σ p̄ log p̄, because the second term is linear in p
        marginal = self._sum_p / counts[:, None]
        scores = np.exp(self._sum_plogp / counts - _plogp(marginal).sum(axis=1))
        return float(scores.mean()), float(scores.std())


def _plogp(p: np.ndarray) -> np.ndarray:
    """p log p with 0 log 0 = 0."""
    return p * np.log(np.where(p > 0, p, 1.0))


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int = SEED) -> tuple[float, float]:
    """Inception Score of p(y|x) [N, K]: mean and standard deviation over `splits`."""
    return InceptionScore(len(probabilities), splits, seed).update(probabilities).result()
