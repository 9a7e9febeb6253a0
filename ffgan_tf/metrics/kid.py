"""Kernel Inception Distance (Bińkowski et al. 2018): unbiased MMD² with the kernel (xᵀy/D + 1)³."""

import dataclasses

import numpy as np

from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.metrics.statistics import check_features
from ffgan_tf.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Kid:
    """Mean and standard deviation over the subsets; not multiplied by 100 or 1,000."""

    mean: float
    std: float
    subsets: int
    subset_size: int


def polynomial_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² of features x, y [M, D], M ≥ 2: means of k over unequal pairs within, minus twice the cross mean.

    An unbiased estimate of a number ≥ 0 may fall slightly below 0.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    size, dimension = x.shape

    def kernel_sum(a, b, skip_diagonal):
        k = a @ b.T
        k /= dimension
        k += 1
        cube = k * k
        cube *= k
        return cube.sum() - (np.trace(cube) if skip_diagonal else 0.0)

    within = (kernel_sum(x, x, True) + kernel_sum(y, y, True)) / (size * (size - 1))
    return float(within - 2 * kernel_sum(x, y, False) / size**2)


def kid(
    features1: np.ndarray, features2: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = SEED
) -> Kid:
    """KID of features [N1, D], [N2, D] over random subsets, with torch-fidelity's defaults and order of drawing.

    `subset_size` shrinks to the smaller set where there are fewer images; the result holds the size used.
    """
    features1, features2 = check_features(features1, "KID, first set"), check_features(features2, "KID, second set")
    size = min(subset_size, len(features1), len(features2))
    if size < 2:
        raise UserError("KID needs at least 2 images on each side. Fix: use more images.")
    random = np.random.RandomState(seed)  # the legacy generator: reproduces torch-fidelity's scores for the same seed
    values = []
    for _ in range(subsets):
        one = features1[random.choice(len(features1), size, replace=False)]
        two = features2[random.choice(len(features2), size, replace=False)]
        values.append(polynomial_mmd(one, two))
    return Kid(float(np.mean(values)), float(np.std(values)), subsets, size)
