"""Variety within one caption: the distance between its images, compared with that between real images of one class."""

import numpy as np

from ffgan_tf.metrics.statistics import check_features
from ffgan_tf.utils.errors import UserError


def mean_pairwise_distance(features: np.ndarray) -> float:
    """Mean Euclidean distance of all pairs of different rows of `features` [N, D]; N ≥ 2, else ValueError."""
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"pairs need [N, D] with N at least 2, not {list(features.shape)}")
    # Row by row: ‖a‖² + ‖b‖² − 2ab cancels the difference of near-equal rows, which this score is meant to detect.
    total = sum(np.linalg.norm(features[i + 1 :] - row, axis=1).sum() for i, row in enumerate(features))
    return float(total / (len(features) * (len(features) - 1) / 2))


def variety(generated: np.ndarray, real: np.ndarray, classes: np.ndarray) -> dict[str, float | int]:
    """The variety of a generator within one caption, absolute and as a share of the variety of a class.

    generated [C, K, D]: features of K images, from different noise, of each of C captions. real [N, D]: features of
    real images; classes [N]: theirs. Returns
      variety        mean over captions of the mean pairwise Euclidean distance of their K images
      variety_std    its standard deviation over captions (N − 1; 0 for one caption)
      variety_real   the same mean over the classes that have two real images or more
      variety_ratio  variety / variety_real: 0, one caption gives one image; 1, as varied as the photographs of a class
    and the counts used. A class has many captions, so images of one caption vary less than those of a class: a
    perfect generator stays below 1. UserError where K < 2, no class has two images, or features are not finite.
    """
    generated = np.asarray(generated)
    if generated.ndim != 3 or generated.shape[1] < 2:
        raise UserError(
            f"variety needs at least two images per caption, not {list(generated.shape)}. Fix: more images per caption."
        )
    count, images, width = generated.shape
    check_features(generated.reshape(count * images, width), "variety, generated images")
    real, classes = check_features(real, "variety, real images"), np.asarray(classes)
    groups = [real[classes == label] for label in np.unique(classes)]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        raise UserError("variety: no class has two real images. Fix: use a reference with more images per class.")
    own = np.array([mean_pairwise_distance(features) for features in generated])
    of_classes = float(np.mean([mean_pairwise_distance(group) for group in groups]))
    return {
        "variety": float(own.mean()),
        "variety_std": float(own.std(ddof=1)) if count > 1 else 0.0,
        "variety_real": of_classes,
        "variety_ratio": float(own.mean() / of_classes),
        "variety_sentences": count,
        "variety_images": images,
        "variety_classes": len(groups),
    }
