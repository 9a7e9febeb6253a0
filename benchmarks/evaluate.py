"""Speed of evaluation, against the references in one run:   .venv-parity/bin/python benchmarks/evaluate.py

Features: images/s of `fid2015` in float32 and bfloat16 and of torch-fidelity's network, on the same seeded weights and
images. FID: seconds for two sets of 2,048 features, with this project's form and with the usual scipy.linalg.sqrtm.
The contestants take turns; prints medians over the rounds, and ratios. `make parity` installs the references.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
from absl import flags

ROOT = Path(os.path.abspath(__file__)).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/parity"), str(ROOT / "tests/metrics")]

from ffgan_tf.config.commands import run_command
from ffgan_tf.metrics.fid import frechet_distance
from ffgan_tf.metrics.statistics import FeatureStatistics
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.progress import Progress

flags.DEFINE_integer("rounds", 7, "Rounds of the features; the first one, which compiles, does not count.")
flags.DEFINE_integer("batch", 32, "Images at once.")
flags.DEFINE_integer("image_size", 256, "Side of the images.")
flags.DEFINE_integer("fid_rounds", 3, "Rounds of the FID; 0 leaves it out.")


def take_turns(rivals: dict[str, Callable], rounds: int, warm_up: int, what: str) -> dict[str, float]:
    """Median seconds of each contestant; they take turns in every round."""
    times = {name: [] for name in rivals}
    progress = Progress(what, (rounds + warm_up) * len(rivals), "runs")
    for round_number in range(rounds + warm_up):
        for number, (name, run) in enumerate(rivals.items(), 1):
            began = time.perf_counter()
            run()
            if round_number >= warm_up:
                times[name].append(time.perf_counter() - began)
            progress.update(round_number * len(rivals) + number, name)
    progress.close()
    return {name: statistics.median(values) for name, values in times.items()}


def features_table(rounds: int, batch: int, size: int) -> list[str]:
    """Lines of images/s, and each one's ratio to torch-fidelity."""
    try:
        import references
    except ImportError as error:
        raise UserError(f"{error}. Fix: make parity, then .venv-parity/bin/python benchmarks/evaluate.py") from error
    from inception_references import Weights, test_images

    from ffgan_tf.evaluation.inception.graph import CONVS
    from ffgan_tf.evaluation.inception.networks import load_network

    images = test_images(batch, size, size)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "weights.pth")
        references.torch.save(references.torch_state(Weights(1), CONVS), path)
        ours = {dtype: load_network("fid2015", path, dtype, batch_size=batch) for dtype in ("float32", "bfloat16")}
        theirs = references.load_network(path, ("2048", "logits_unbiased"))
    rivals = {f"ours, {dtype}": (lambda network=network: network.features(images)) for dtype, network in ours.items()}
    rivals["torch-fidelity, float32"] = lambda: references.features(theirs, images, "float32")
    seconds = take_turns(rivals, rounds - 1, 1, "features")
    slowest = seconds["torch-fidelity, float32"]
    return [
        f"features  {name:24} {batch / took:7.1f} images/s  {slowest / took:5.2f}×" for name, took in seconds.items()
    ]


def sqrtm_distance(one: FeatureStatistics, two: FeatureStatistics) -> float:
    """The usual form of FID: a matrix square root of a product that is not symmetric."""
    root = scipy.linalg.sqrtm(one.covariance @ two.covariance)
    difference = one.mean - two.mean
    return float(difference @ difference + np.trace(one.covariance + two.covariance) - 2 * np.trace(root).real)


def fid_table(rounds: int) -> list[str]:
    """Lines of seconds for statistics of two sets of 4,096 × 2,048, and the difference between the two results."""
    random = np.random.default_rng(0)
    mix = random.normal(0, 1, (2048, 2048)) / np.sqrt(2048)
    one, two = (FeatureStatistics.of(np.maximum(random.normal(shift, 1, (4096, 2048)) @ mix, 0)) for shift in (0, 0.1))
    results = {}

    def ours():
        results["ours"] = frechet_distance(one.mean, one.covariance, two.mean, two.covariance)

    def theirs():
        results["sqrtm"] = sqrtm_distance(one, two)

    seconds = take_turns({"ours": ours, "scipy.linalg.sqrtm": theirs}, rounds, 0, "FID")
    apart = abs(results["ours"] - results["sqrtm"]) / results["sqrtm"]
    return [
        f"FID       {name:24} {took:7.2f} s         {seconds['scipy.linalg.sqrtm'] / took:5.2f}×"
        for name, took in seconds.items()
    ] + [f"          the two differ by {apart:.1e} of {results['ours']:.4f}"]


def main(argv: list[str]) -> int:
    """Prints the lines."""
    args = flags.FLAGS
    lines = features_table(args.rounds, args.batch, args.image_size)
    if args.fid_rounds:
        lines += fid_table(args.fid_rounds)
    print(f"{os.cpu_count()} cores, batch {args.batch}, {args.image_size} px; medians, in turns")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    run_command(main)
