"""Runs in one table and one figure: how far each is, how large its networks are, its scores beside the others'."""

import dataclasses
from collections.abc import Sequence

from ffgan_tf.evaluation.report import format_table
from ffgan_tf.reporting.charts import Tick, nice_ticks, number
from ffgan_tf.reporting.curves import SCORES, protocol_of
from ffgan_tf.reporting.page import environment
from ffgan_tf.reporting.parameters import parameter_counts
from ffgan_tf.reporting.runs import Line, RunRecord, finite
from ffgan_tf.reporting.tables import paper_table, scores_of

PICKS = ("newest", "best")
LABELS, PANEL, GAP, ROW, HEAD = 210, 170, 26, 24, 54  # of the figure, in units of its viewBox
ACROSS = 3  # panels beside each other


@dataclasses.dataclass(frozen=True)
class Entry:
    """A run's figures by one protocol: those chosen, and the others of the same protocol."""

    run: RunRecord
    protocol: str
    chosen: Line
    others: list[Line]


def entries(runs: Sequence[RunRecord], pick: str = "newest") -> list[Entry]:
    """For each protocol and run that has reports of it, one entry; protocols that more runs have come first.

    `pick`: the newest step's report, or that of the lowest FID (of the newest step where there is no FID).
    """
    found: dict[str, list[Entry]] = {}
    for run in runs:
        reports: dict[str, dict[int, Line]] = {}
        for report in [*run.evaluations, *run.scores]:
            if type(report.get("step")) is int:
                reports.setdefault(protocol_of(report), {})[report["step"]] = report
        for protocol, by_step in reports.items():
            lines = [by_step[step] for step in sorted(by_step)]
            chosen = lines[-1]
            if pick == "best" and (measured := [line for line in lines if finite(line.get("fid"))]):
                chosen = min(measured, key=lambda line: line["fid"])
            others = [line for line in lines if line is not chosen]
            found.setdefault(protocol, []).append(Entry(run, protocol, chosen, others))
    return [entry for group in sorted(found.values(), key=len, reverse=True) for entry in group]


def comparison_table(runs: Sequence[RunRecord], found: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: run, step, images seen, parameters in millions, protocol, scores. Runs without figures come last
    with dashes."""
    names = [name for name in SCORES if any(finite(entry.chosen.get(name)) for entry in found)]
    header = ["run", "step", "images seen", "G, M", "D, M", "protocol", *(SCORES[name][0] for name in names)]
    counts = {run.name: parameter_counts(run) for run in runs}

    def row(run: RunRecord, step: int, protocol: str, scores: dict[str, str]) -> list[str]:
        batch = run.setting("batch", 0)
        sizes = [counts[run.name].get(network) for network in ("generator", "discriminator")]
        return [
            run.name,
            f"{step:,}",
            f"{step * batch:,}" if batch else "–",
            *(f"{size / 1e6:.2f}" if size else "–" for size in sizes),
            protocol,
            *(scores.get(name, "–") for name in names),
        ]

    rows = [row(one.run, one.chosen["step"], one.protocol, scores_of(one.chosen)) for one in found]
    without = [run for run in runs if run.name not in {entry.run.name for entry in found}]
    return header, rows + [row(run, run.step, "not evaluated", {}) for run in without]


def differences(found: Sequence[Entry]) -> list[str]:
    """The reasons why rows of a table do not compare with each other, as sentences."""
    reasons = []
    if len({entry.protocol for entry in found}) > 1:
        reasons.append("Rows of different protocols do not compare with each other.")
    if len({entry.run.dataset for entry in found}) > 1:
        reasons.append("Rows of different data sets do not compare with each other.")
    if len({entry.run.setting("image_size") for entry in found}) > 1:
        reasons.append("Rows of different image sizes do not compare with each other.")
    seen = {entry.chosen["step"] * entry.run.setting("batch", 0) for entry in found}
    if len(seen) > 1:
        reasons.append(f"The runs have seen different numbers of images ({min(seen):,} to {max(seen):,}).")
    return reasons


def comparison_text(runs: Sequence[RunRecord], style: str, pick: str = "newest") -> str:
    """Both tables, ours and the paper's Table 2 with ours, with what does not compare; `style`: text, md or latex."""
    found = entries(runs, pick)
    beside = paper_table([(entry.run, entry.chosen) for entry in found])
    notes = [f"* {name}: {' '.join(reasons)}" for name, reasons in beside.notes if reasons]
    parts = [format_table(*comparison_table(runs, found), style), *differences(found)]
    parts += [
        "The paper's Table 2 (* does not compare with it):",
        format_table(beside.header, beside.rows, style),
        *notes,
    ]
    mark = {"latex": "% ", "md": "", "text": ""}[style]
    return "\n\n".join(part if part.startswith(("|", "\\")) else mark + part for part in parts) + "\n"


@dataclasses.dataclass(frozen=True)
class Dot:
    """A figure in the panel of a score."""

    x: float
    y: float
    text: str
    chosen: bool


@dataclasses.dataclass(frozen=True)
class Panel:
    """A score: a row for each run, its axis beneath."""

    title: str
    note: str
    left: float
    top: float
    ticks: list[Tick]
    dots: list[Dot]


def figure(found: Sequence[Entry]) -> str:
    """An SVG of the protocol that most runs have: a panel a score, a row a run; pale dots are a run's other steps."""
    found = [entry for entry in found if entry.protocol == found[0].protocol] if found else []
    names = [name for name in SCORES if any(finite(entry.chosen.get(name)) for entry in found)]
    height = ROW * len(found)
    panels = []
    for number_of, name in enumerate(names):
        line, column = divmod(number_of, ACROSS)
        left, top = LABELS + column * (PANEL + GAP), HEAD + line * (height + HEAD + GAP)
        panels.append(_panel(name, found, left, top))
    lines = -(-len(names) // ACROSS)
    return (
        environment()
        .get_template("comparison.svg")
        .render(
            width=LABELS + min(len(names), ACROSS) * (PANEL + GAP),
            height=max(lines, 1) * (height + HEAD + GAP) + GAP,
            protocol=found[0].protocol if found else "no figures",
            names=[entry.run.name for entry in found],
            tops=sorted({panel.top for panel in panels}),
            panels=panels,
            row=ROW,
            side=PANEL,
            labels=LABELS,
            rows=height,
        )
    )


def _panel(name: str, found: Sequence[Entry], left: float, top: float) -> Panel:
    values = [line[name] for one in found for line in [one.chosen, *one.others] if finite(line.get(name))]
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(low) * 0.1 or 1.0
    low, high = low - room, high + room

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * PANEL, 1)

    dots = [
        Dot(
            x(line[name]),
            top + ROW * (place + 0.5),
            f"{one.run.name}, step {line['step']:,}: {number(line[name])}",
            line is one.chosen,
        )
        for place, one in enumerate(found)
        for line in [*one.others, one.chosen]
        if finite(line.get(name))
    ]
    ticks = [Tick(x(value), number(value)) for value in nice_ticks(low, high, 3)]
    return Panel(SCORES[name][0], SCORES[name][1], left, top, ticks, dots)
