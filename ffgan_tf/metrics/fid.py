"""Fréchet distance between two sets of features (FID; Heusel et al. 2017, the paper's Eq. 12).

The paper prints Tr(Σr − Σg − 2(ΣrΣg)^½); the distance, computed here, has Tr(Σr + Σg − 2(ΣrΣg)^½).
"""

import warnings

import numpy as np

from ffgan_tf.metrics.statistics import FeatureStatistics, check_features
from ffgan_tf.utils.errors import UserError

FEW_SAMPLES = 2048  # below the feature dimension the covariance is singular and the bias of FID is large


def _root(covariance: np.ndarray) -> np.ndarray:
    """R [D, D] with Rᵀ R = Σ. Cholesky is six times cheaper; it fails where Σ is singular (a unit that never fires)."""
    try:
        return np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T


def _trace_of_sqrt(root: np.ndarray, covariance: np.ndarray) -> float:
    """Tr (Σ₁Σ₂)^½ with Σ₁ = RᵀR: R Σ₂ Rᵀ is symmetric and has the eigenvalues of Σ₁Σ₂."""
    product = root @ covariance @ root.T
    values = np.linalg.eigvalsh((product + product.T) / 2)
    return float(np.sqrt(np.clip(values, 0, None)).sum())


def frechet_distance(mean1: np.ndarray, covariance1: np.ndarray, mean2: np.ndarray, covariance2: np.ndarray) -> float:
    """‖μ₁−μ₂‖² + Tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) for means [D] and covariances [D, D]."""
    for array in (mean1, covariance1, mean2, covariance2):
        if not np.isfinite(array).all():
            raise UserError("FID: the statistics hold NaN or infinity. Fix: compute them again from finite features.")
    difference = np.asarray(mean1, np.float64) - np.asarray(mean2, np.float64)
    covariance1, covariance2 = np.asarray(covariance1, np.float64), np.asarray(covariance2, np.float64)
    trace = _trace_of_sqrt(_root(covariance1), covariance2)
    return float(difference @ difference + np.trace(covariance1) + np.trace(covariance2) - 2 * trace)


def fid(features1: np.ndarray, features2: np.ndarray, statistics2: FeatureStatistics | None = None) -> float:
    """FID of features [N1, D] and [N2, D]; `statistics2`, if present, must be those of `features2`.

    With N ≤ D the covariance has rank N − 1 at most, and the square roots of its D − N + 1 zero eigenvalues, known only
    to rounding, would add up (to 5e-5). There the centred features A (Σ = AᵀA/(N−1)) take the covariance's place:
    Tr (Σ₁Σ₂)^½ is the nuclear norm of A₁A₂ᵀ over the two √(N−1).
    Warns below 2,048 samples a side: FID's upward bias is about 1/N, so only equal counts compare.
    Raises UserError below two rows, and for rows that are not finite.
    """
    features1, features2 = check_features(features1, "FID, first set"), check_features(features2, "FID, second set")
    if features1.shape[1] != features2.shape[1]:
        raise UserError(
            f"FID: the two sets have {features1.shape[1]} and {features2.shape[1]} features: they come "
            "from different networks. Fix: features of one network."
        )
    fewest = min(len(features1), len(features2))
    if fewest < 2:
        raise UserError("FID needs at least 2 images on each side; there is only one. Fix: use more images.")
    if fewest < FEW_SAMPLES:
        warnings.warn(
            f"FID from {fewest} images is biased upwards: compare it only with scores from the same "
            "counts, and look at KID, which is not biased.",
            stacklevel=2,
        )
    dimension = features1.shape[1]
    if len(features1) > dimension and len(features2) > dimension:
        one, two = FeatureStatistics.of(features1), statistics2 or FeatureStatistics.of(features2)
        return frechet_distance(one.mean, one.covariance, two.mean, two.covariance)

    means, roots = [], []
    for features in (features1, features2):
        mean = features.mean(axis=0, dtype=np.float64)
        means.append(mean)
        roots.append((features - mean) / np.sqrt(len(features) - 1))
    difference = means[0] - means[1]
    traces = sum(float((root * root).sum()) for root in roots)
    small, large = sorted(roots, key=len)
    if len(large) <= dimension:
        trace = float(np.linalg.svd(small @ large.T, compute_uv=False).sum())
    else:
        trace = _trace_of_sqrt(small, large.T @ large)
    return float(difference @ difference + traces - 2 * trace)
