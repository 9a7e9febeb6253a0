"""FID, KID, Inception Score and precision/recall against torch-fidelity and prdc on the same features."""

import numpy as np
import pytest
import references
import torch
from prdc import compute_prdc

from ffgan_tf.metrics.fid import fid
from ffgan_tf.metrics.inception_score import inception_score
from ffgan_tf.metrics.kid import kid
from ffgan_tf.metrics.prdc import prdc


def relative(ours: float, reference: float) -> float:
    """Of two scores."""
    return abs(ours - reference) / abs(reference)


@pytest.fixture(scope="module")
def sets():
    """Two sets of features as a ReLU and a mean leave them: positive, correlated; 3,000 and 2,700 of 512."""
    random = np.random.default_rng(3)
    mix = random.normal(0, 1, (512, 512)) / 20
    one = np.maximum(random.normal(0.2, 1, (3000, 512)) @ mix + 0.3, 0)
    two = np.maximum(random.normal(0.3, 1.1, (2700, 512)) @ mix + 0.3, 0)
    return one, two


def test_fid(sets, hold):
    one, two = (references.metric_fid.fid_features_to_statistics(torch.from_numpy(features)) for features in sets)
    expected = references.metric_fid.fid_statistics_to_metric(one, two, False)["frechet_inception_distance"]
    hold("torch-fidelity FID", f"{expected:.4f}", "float64", relative(fid(*sets), expected), 1e-6)


def test_kid(sets, hold):
    expected = references.metric_kid.kid_features_to_metric(
        *map(torch.from_numpy, sets), kid_subsets=20, kid_subset_size=500, rng_seed=2020, verbose=False
    )
    ours = kid(*sets, subsets=20, subset_size=500, seed=2020)
    for name in ("mean", "std"):
        value = expected[f"kernel_inception_distance_{name}"]
        hold("torch-fidelity KID", f"{name}, {value:.6f}", "float64", relative(getattr(ours, name), value), 1e-6)


def test_inception_score(hold):
    logits = np.random.default_rng(4).normal(0, 2, (1003, 50))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = references.metric_isc.isc_features_to_metric(torch.from_numpy(logits), splits=10, rng_seed=2020)
    for name, ours in zip(("mean", "std"), inception_score(probabilities, 10, 2020)):
        value = expected[f"inception_score_{name}"]
        hold("torch-fidelity IS", f"{name}, {value:.4f}", "float64", relative(ours, value), 1e-9)


def test_precision_and_recall(sets, hold):
    fake, real = (torch.from_numpy(features[:, :16].copy()) for features in sets)
    expected = references.metric_prc.prc_features_to_metric(fake, real, prc_neighborhood=3, verbose=False)
    ours = prdc(real.numpy(), fake.numpy(), k=3)
    for name in ("precision", "recall"):
        # torch-fidelity averages in float32; a count of one image is 3e-4
        hold(
            "torch-fidelity PRC", f"{name}, {expected[name]:.4f}", "float64", relative(ours[name], expected[name]), 1e-6
        )


def test_density_and_coverage(sets, hold):
    fake, real = (features[:, :16] for features in sets)
    expected, ours = compute_prdc(real, fake, nearest_k=5), prdc(real, fake, k=5)
    for name, value in expected.items():
        hold("prdc", f"{name}, {value:.4f}", "float64", relative(ours[name], value), 1e-12)
