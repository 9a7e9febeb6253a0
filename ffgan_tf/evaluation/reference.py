"""Statistics of the reference images, cached beside their features under a digest of both."""

import os
from pathlib import Path

import numpy as np

from ffgan_tf.evaluation.features import Network, extract
from ffgan_tf.evaluation.images import Images, digest
from ffgan_tf.metrics.statistics import FeatureStatistics
from ffgan_tf.utils.errors import UserError


def reference_features(
    images: Images, network: Network, batch: int, cache_dir: str | os.PathLike
) -> tuple[np.ndarray, FeatureStatistics | None]:
    """Features [N, D] of the reference, and their statistics where the covariance can have full rank (N > D).

    The cache file's name is a digest of the chunks' names, which are digests of the images' content, in a folder
    named by the digest of the network's protocol (including the weights' SHA-256): whatever changed is computed again.
    """
    extracted = extract(images, [network], batch, cache_dir, f"reference {images.what}")
    features = extracted.arrays[0]["pool"]
    if len(features) <= features.shape[1]:
        return features, None  # FID then uses the features themselves
    files = extracted.files[0]
    path = Path(files[0]).parent / f"statistics-{digest([file.name for file in files])[:32]}.npz"
    if path.is_file():
        try:
            return features, FeatureStatistics.load(path)
        except UserError:
            pass  # damaged: computed again below
    statistics = FeatureStatistics.of(features)
    statistics.save(path)
    return features, statistics
