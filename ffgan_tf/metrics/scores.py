"""All scores of one set of features against another's."""

import warnings
from typing import Any

import numpy as np

from ffgan_tf.metrics.fid import fid
from ffgan_tf.metrics.inception_score import inception_score
from ffgan_tf.metrics.kid import kid
from ffgan_tf.metrics.prdc import prdc
from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.metrics.statistics import FeatureStatistics

NEIGHBOURS = 5


def compare_features(
    features: np.ndarray,
    reference: np.ndarray,
    statistics: FeatureStatistics | None = None,
    seed: int = SEED,
    kid_subsets: int = 100,
) -> tuple[dict[str, Any], list[str]]:
    """FID, KID, precision, recall, density, coverage of `features` [N, D] against `reference` [M, D], and warnings.

    `statistics`: of the reference, if already computed. Scores that need more images than there are (k-nearest
    neighbours) are left out and named in the warnings; FID and KID raise a UserError.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scores: dict[str, Any] = {"fid": fid(features, reference, statistics)}
    notes += [str(item.message) for item in caught if issubclass(item.category, UserWarning)]
    distance = kid(features, reference, kid_subsets, seed=seed)
    scores |= {
        "kid": distance.mean,
        "kid_std": distance.std,
        "kid_subsets": distance.subsets,
        "kid_subset_size": distance.subset_size,
    }
    if distance.subset_size < 1000:
        notes.append(f"KID from subsets of {distance.subset_size} instead of 1,000: there are fewer images.")
    if min(len(features), len(reference)) <= NEIGHBOURS:
        notes.append(f"precision, recall, density and coverage need more than {NEIGHBOURS} images a side.")
        return scores, notes
    neighbours = prdc(reference, features, NEIGHBOURS, seed=seed)
    scores |= {name: neighbours[name] for name in ("precision", "recall", "density", "coverage")}
    scores |= {
        "prdc_k": neighbours["k"],
        "prdc_real_count": neighbours["real_count"],
        "prdc_fake_count": neighbours["fake_count"],
    }
    return scores, notes


def score_classes(probabilities: np.ndarray | None, splits: int, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Inception Score of p(y|x) [N, K], and warnings; nothing where the network has no class head (None)."""
    if probabilities is None:
        return {}, ["no Inception Score: the network has no class head (its weights are the trunk only)."]
    if len(probabilities) < splits:
        return {}, [f"no Inception Score: {splits} splits need at least {splits} images."]
    mean, std = inception_score(probabilities, splits, seed)
    return {"is": mean, "is_std": std, "is_classes": int(probabilities.shape[1])}, []
