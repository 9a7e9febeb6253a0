"""Curves of runs: which figures there are, and how a curve of any length becomes at most 400 points."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from ffgan_tf.evaluation.protocols import OLD_NAMES
from ffgan_tf.reporting.runs import Line, RunRecord, finite

COLUMNS = 199  # pixel columns that a curve is thinned to: two points each, and both ends
MOST = 2 * COLUMNS + 2  # points of a curve
D_OUTPUTS = {
    "D/real": "real",
    "D/fake": "generated",
    "D/real_matching": "real, right sentence",
    "D/fake_matching": "generated, right sentence",
    "D/real_mismatching": "real, wrong sentence",
}
# Scores: the name in a report, its title, and what is better; docs/evaluation.md explains them.
SCORES = {
    "fid": ("FID", "lower is better"),
    "kid": ("KID", "lower is better"),
    "is": ("Inception Score", "higher is better"),
    "precision": ("Precision", "higher is better"),
    "recall": ("Recall", "higher is better"),
    "density": ("Density", "higher is better"),
    "coverage": ("Coverage", "higher is better"),
    "r_precision": ("R-precision", "higher is better"),
    "variety_ratio": ("Variety ratio", "in a sentence, of that in a class"),
    "colour_agreement": ("Colour agreement", "higher is better"),
    "spectrum_worst": ("Spectrum", "worst band; real images have 1"),
}


@dataclasses.dataclass(frozen=True)
class Series:
    """One curve: its label, and its finite values by ascending step."""

    label: str
    steps: np.ndarray  # (N,) int64
    values: np.ndarray  # (N,) float64
    left_out: int = 0  # values that were not finite


def series(label: str, pairs: Iterable[tuple[int, object]]) -> Series:
    """A curve of (step, value) pairs; what is no finite number is left out and counted."""
    pairs = list(pairs)
    kept = [(step, float(value)) for step, value in pairs if finite(value)]  # type: ignore[arg-type]
    kept.sort(key=lambda pair: pair[0])
    return Series(
        label,
        np.array([step for step, _ in kept], np.int64),
        np.array([value for _, value in kept], np.float64),
        len(pairs) - len(kept),
    )


def thin(steps: np.ndarray, values: np.ndarray, low: float, high: float, columns: int = COLUMNS) -> np.ndarray:
    """Indices (M,) of the points to draw of a curve (N,), ascending: M ≤ 2·columns + 2.

    [low, high] is cut into `columns` pixel columns; the least and the greatest value of each stay, the earlier of
    equals, as do the curve's ends. So a spike of one step survives at its full height.
    """
    if len(steps) <= 2 * columns + 2:
        return np.arange(len(steps))
    column = np.clip(((steps - low) / max(high - low, 1e-12) * columns).astype(int), 0, columns - 1)
    keep = {0, len(steps) - 1}
    for start, stop in zip(*_stretches(column)):
        part = values[start:stop]
        keep |= {start + int(part.argmin()), start + int(part.argmax())}
    return np.array(sorted(keep))


def _stretches(column: np.ndarray) -> tuple[list[int], list[int]]:
    """Where each stretch of equal, ascending numbers starts and stops."""
    starts = [0, *(np.flatnonzero(np.diff(column)) + 1).tolist()]
    return starts, [*starts[1:], len(column)]


def logged_names(runs: Sequence[RunRecord]) -> list[str]:
    """The names in the runs' logs, in the order of their first appearance; steps and epochs are no curves."""
    names = {
        name: None for run in runs for line in run.log for name, value in line.items() if not isinstance(value, str)
    }
    return [name for name in names if name not in ("step", "epoch")]


def logged(run: RunRecord, name: str, label: str) -> Series:
    """One figure of a run's log."""
    return series(label, ((line["step"], line[name]) for line in run.log if name in line))


def protocol_of(report: Line) -> str:
    """What a score of a report depends on, in short: reports in which it differs do not compare."""
    network = report.get("network") or {}
    is_network = report.get("is_network") or {}
    protocol = report.get("protocol") or {}
    names = {str(source.get("network")) for source in (network, is_network) if source.get("network")}
    name = str(protocol.get("name") or report.get("kind") or "unknown protocol")
    return ", ".join([OLD_NAMES.get(name, name), f"{report.get('count', 0):,} images", *sorted(names)])


def scored(run: RunRecord, score: str) -> dict[str, Series]:
    """A score of a run over its steps, a curve for each protocol: {`protocol_of`: series}."""
    found: dict[str, list[tuple[int, object]]] = {}
    for report in [*run.evaluations, *run.scores]:
        if score in report and type(report.get("step")) is int:
            found.setdefault(protocol_of(report), []).append((report["step"], report[score]))
    # Evaluated twice, a step has the newer value.
    return {protocol: series(protocol, dict(pairs).items()) for protocol, pairs in found.items()}
