"""Charts: where axes, ticks and curves stand, in the units of an SVG's viewBox. The template draws them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from ffgan_tf.reporting.curves import D_OUTPUTS, SCORES, Series, logged, logged_names, scored, thin
from ffgan_tf.reporting.runs import RunRecord, finite

WIDTH, HEIGHT = 480, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 10, 28  # room for the axes' numbers
COLOURS = 8  # of curves in the style sheet; more curves take them again
STEEP = 50  # a chart whose greatest value is so many times its median has a logarithmic axis
GROUPS = {  # of a single run's log, by the part of the name before "/"
    "D": ("The discriminator's five outputs", "mean probability in training; 0.5 is undecided"),
    "loss_d": ("Terms of the discriminator's loss", "Eq. 4"),
    "loss_g": ("Terms of the generator's loss", "Eq. 5"),
    "loss": ("Terms of the loss", ""),
    "text": ("Spread of the condition within a batch", "near 0: all sentences are alike to the networks"),
    "grad_norm": ("Norms of the gradients", ""),
    "loss_scale": ("Scale of the losses", "float16 alone"),
    "learning_rate": ("Learning rates", ""),
    "speed": ("Speed", ""),
}
NAMES = {
    "loss_d/total": "discriminator's loss",
    "loss_g/total": "generator's loss",
    "loss/total": "loss",
    "validation/loss": "validation: loss",
    "validation/r_precision": "validation: R-precision",
    "speed/images_per_second": "images a second",
    "speed/steps_per_second": "steps a second",
}
FIRST = ("D", "losses")  # of several runs these are open from the start, as are the scores


@dataclasses.dataclass(frozen=True)
class Tick:
    """A number on an axis and its place."""

    place: float
    text: str


@dataclasses.dataclass(frozen=True)
class Curve:
    """One drawn curve, with a row of the table beneath the chart."""

    label: str
    colour: int  # 0 … COLOURS − 1
    points: str  # of an SVG polyline
    places: list[tuple[float, float]]
    least: tuple[str, str]  # value, step
    greatest: tuple[str, str]
    last: tuple[str, str]
    note: str


@dataclasses.dataclass(frozen=True)
class Chart:
    """All that an SVG chart needs; `low` and `high` are the axes' ends, in logarithms where `logarithmic`."""

    key: str
    title: str
    note: str
    curves: list[Curve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    low: tuple[float, float]
    high: tuple[float, float]
    logarithmic: bool
    dots: bool  # few points: each is marked
    first: bool  # shown without unfolding


def number(value: float) -> str:
    """A figure in four digits: `0.01234`, `12.34`, `12,340`."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def nice_ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, roughly `about` of them."""
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _widened(low: float, high: float) -> tuple[float, float]:
    """An interval that is not empty."""
    if high > low:
        return low, high
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def chart(key: str, title: str, note: str, found: Sequence[Series], first: bool = True) -> Chart | None:
    """The chart of some curves; None where there is no point to draw."""
    found = [one for one in found if len(one.steps)]
    if not found:
        return None
    values = np.concatenate([one.values for one in found])
    logarithmic = values.min() > 0 and values.max() > STEEP * np.median(values)
    scaled = [np.log10(one.values) if logarithmic else one.values for one in found]
    x_low, x_high = _widened(min(float(one.steps[0]) for one in found), max(float(one.steps[-1]) for one in found))
    if key.split("/")[0] == "D":  # probabilities
        y_low, y_high = 0.0, 1.0
    else:
        y_low, y_high = _widened(min(float(one.min()) for one in scaled), max(float(one.max()) for one in scaled))

    def x(step: float) -> float:
        return LEFT + (step - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (y_high - value) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    curves = []
    for place, (one, drawn) in enumerate(zip(found, scaled)):
        kept = thin(one.steps, one.values, x_low, x_high)
        places = [(round(x(float(one.steps[i])), 1), round(y(float(drawn[i])), 1)) for i in kept]
        curves.append(_curve(one, place % COLOURS, places))
    return Chart(
        key=key,
        title=title,
        note=note + ("; logarithmic axis" if logarithmic and note else "logarithmic axis" if logarithmic else ""),
        curves=curves,
        x_ticks=[Tick(round(x(tick), 1), f"{tick:,.0f}") for tick in nice_ticks(x_low, x_high, 5) if tick % 1 == 0],
        y_ticks=[
            Tick(round(y(tick), 1), number(10**tick if logarithmic else tick))
            for tick in nice_ticks(y_low, y_high, 5)
            if not logarithmic or tick % 1 == 0 or y_high - y_low < 2
        ],
        low=(x_low, y_low),
        high=(x_high, y_high),
        logarithmic=bool(logarithmic),
        dots=max(len(one.steps) for one in found) <= 40,
        first=first,
    )


def _curve(one: Series, colour: int, places: list[tuple[float, float]]) -> Curve:
    def at(index: int) -> tuple[str, str]:
        return number(float(one.values[index])), f"{int(one.steps[index]):,}"

    return Curve(
        label=one.label,
        colour=colour,
        points=" ".join(f"{x:g},{y:g}" for x, y in places),
        places=places,
        least=at(int(one.values.argmin())),
        greatest=at(int(one.values.argmax())),
        last=at(len(one.values) - 1),
        note=f"{one.left_out} not finite, left out" if one.left_out else "",
    )


def log_charts(runs: Sequence[RunRecord]) -> list[Chart]:
    """The charts of the logs: of one run related figures together, of several runs one figure with a curve for each."""
    names = logged_names(runs)
    totals = [name for name in names if name.endswith("/total")]
    if len(runs) > 1:
        first = [*totals, *(name for name in names if name in D_OUTPUTS)]
        ordered = [*first, *(name for name in names if name not in first)]
        charts = [
            chart(name, _title(name), "", [logged(run, name, run.name) for run in runs], name in first)
            for name in ordered
            if not _constant(runs, name)
        ]
        return [one for one in charts if one]
    [run] = runs
    charts = [chart("losses", "Losses", "", [logged(run, name, _title(name)) for name in totals])]
    groups: dict[str, list[str]] = {}
    for name in names:
        if name not in totals and not _constant(runs, name):
            # Validation's figures have nothing in common but the moment.
            groups.setdefault(name if name.startswith("validation/") else name.partition("/")[0], []).append(name)
    for group in sorted(groups, key=lambda group: group != "D"):  # D's outputs say most
        title, note = GROUPS.get(group, (_title(group), ""))
        found = [logged(run, name, D_OUTPUTS.get(name) or _title(name, group)) for name in groups[group]]
        charts.append(chart(group, title, note, found, group in FIRST or group.startswith("validation/")))
    return [one for one in charts if one]


def _constant(runs: Sequence[RunRecord], name: str) -> bool:
    """Whether a loss scale or penalty never had another value than 1 or 0: it was not in use."""
    values = {line[name] for run in runs for line in run.log if finite(line.get(name))}
    return (name.startswith("loss_scale/") and values == {1.0}) or values == {0.0}


def _title(name: str, group: str = "") -> str:
    """A figure's name for readers: `loss_d/real_matching` → `loss d: real matching`, in its group `real matching`."""
    if name in D_OUTPUTS:
        return f"D's output: {D_OUTPUTS[name]}"
    if name in NAMES:
        return NAMES[name]
    return (name.removeprefix(f"{group}/") if group else name.replace("/", ": ")).replace("_", " ")


def score_charts(runs: Sequence[RunRecord]) -> list[Chart]:
    """A chart for each score that any run has; figures of different protocols are different curves."""
    charts = []
    for score, (title, note) in SCORES.items():
        found = []
        for run in runs:
            curves = scored(run, score)
            for protocol, one in curves.items():
                label = f"{run.name}: {protocol}" if len(runs) > 1 else protocol
                found.append(dataclasses.replace(one, label=label))
        if any(len(one.steps) > 1 for one in found):  # single figures stand in the table
            charts.append(chart(f"score-{score}", title, note, found))
    return [one for one in charts if one]
