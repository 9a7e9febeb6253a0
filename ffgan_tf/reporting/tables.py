"""The report's tables: settings, scores beside the paper's, data, times, environment; and the figures as CSV."""

import csv
import dataclasses
import importlib.metadata
import io
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ffgan_tf import __version__
from ffgan_tf.data.records import storage
from ffgan_tf.evaluation.paper_table import DATASETS, PAPER_ROWS, why_not, why_not_data
from ffgan_tf.reporting.curves import SCORES, protocol_of
from ffgan_tf.reporting.runs import Line, RunRecord, finite
from ffgan_tf.utils.progress import format_duration

PACKAGES = ("tensorflow", "tf-keras", "keras", "numpy", "pillow", "tensorboard")


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of all runs: its values as text, and which are not the default."""

    name: str
    help: str
    values: list[str]
    changed: list[bool]
    differs: bool  # among the runs


def setting_groups(runs: Sequence[RunRecord]) -> list[tuple[str, list[Setting]]]:
    """(title of the group, its settings) in the order of declaration. Runs of another kind have dashes."""
    groups: dict[str, list[Setting]] = {}
    classes = {type(run.config): None for run in runs if run.config}
    seen = set()
    for config_class in classes:
        defaults = config_class().flat()
        for group, field in config_class.fields():
            if field.name in seen:
                continue
            seen.add(field.name)
            known = [run.config.flat() if run.config else {} for run in runs]
            values = [_text(values[field.name]) if field.name in values else "–" for values in known]
            changed = [values.get(field.name, defaults[field.name]) != defaults[field.name] for values in known]
            one = Setting(field.name, field.metadata["help"], values, changed, len(set(values)) > 1)
            groups.setdefault(config_class.title(group) or "data", []).append(one)
    return list(groups.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if value != "" else "–"


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A run's newest figures by one protocol."""

    run: str
    protocol: str
    step: int
    scores: dict[str, str]  # by the names of SCORES, as text
    report: Line
    notes: list[str]


def evaluated(run: RunRecord) -> list[Evaluated]:
    """The newest report of each protocol."""
    newest: dict[str, Line] = {}
    for report in [*run.evaluations, *run.scores]:
        if type(report.get("step")) is int:
            protocol = protocol_of(report)
            if protocol not in newest or report["step"] >= newest[protocol]["step"]:
                newest[protocol] = report
    return [
        Evaluated(run.name, protocol, report["step"], scores_of(report), report, _notes(report))
        for protocol, report in newest.items()
    ]


def _notes(report: Line) -> list[str]:
    notes = report.get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def scores_of(report: Line) -> dict[str, str]:
    """The scores of a report as text with their spread, by name."""
    found = {}
    for name in SCORES:
        if finite(report.get(name)):
            digits = 4 if name == "kid" else 2 if name in ("fid", "is") else 3
            spread = report.get(f"{name}_std")
            found[name] = f"{report[name]:.{digits}f}" + (f" ± {spread:.{digits}f}" if finite(spread) else "")
    return found


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """The paper's Table 2 with a row for each of our reports, its scores marked * where they do not compare."""

    header: list[str]
    paper: list[list[str]]
    ours: list[list[str]]
    notes: list[tuple[str, list[str]]]  # (row's name, reasons)

    @property
    def rows(self) -> list[list[str]]:
        """The paper's rows, then ours."""
        return self.paper + self.ours


def paper_table(reports: Iterable[tuple[RunRecord, Line]]) -> PaperTable:
    """Table 2 and these reports' FID and Inception Score, in the columns of the run's data set; a last column has those
    of other data sets."""
    header = ["method", *(f"{title} {score}" for title in DATASETS.values() for score in ("IS", "FID"))]
    paper = []
    for method, figures in PAPER_ROWS:
        row = [method]
        for key in DATASETS:
            mean, std, fid = figures[key]
            row += [f"{mean:.2f} ± {std:.2f}", "–" if fid is None else f"{fid:.2f}"]
        paper.append(row)
    ours, others, notes = [], [], []
    for run, report in reports:
        known_scores = scores_of(report)
        scores = {score: known_scores[score] for score in ("is", "fid") if score in known_scores}
        if not scores:
            continue
        name = f"{run.name}, step {report['step']:,} ({protocol_of(report)})"
        reasons = comparison_reasons(run, report)
        marked = {score: text + ("*" if reasons[score] else "") for score, text in scores.items()}
        ours.append(
            [name] + [marked.get(s, "–") if key == run.dataset else "–" for key in DATASETS for s in ("is", "fid")]
        )
        known = run.dataset in DATASETS
        others.append("–" if known else ", ".join(f"{score.upper()} {text}" for score, text in marked.items()))
        notes.append((name, _sentences({score: reasons[score] for score in scores})))
    if any(other != "–" for other in others):
        header, paper = [*header, "other data"], [[*row, "–"] for row in paper]
        ours = [[*row, other] for row, other in zip(ours, others)]
    return PaperTable(header, paper, ours, notes)


def _sentences(reasons: dict[str, list[str]]) -> list[str]:
    """Reasons as sentences: first those of both scores, then each score's own."""
    both = [reason for reason in next(iter(reasons.values()), []) if all(reason in found for found in reasons.values())]
    own = [(score, reason) for score, found in reasons.items() for reason in found if reason not in both]
    names = " and ".join(score.upper() for score in reasons)
    return [f"{names}: {reason}." for reason in both] + [f"{score.upper()}: {reason}." for score, reason in own]


def comparison_reasons(run: RunRecord, report: Line) -> dict[str, list[str]]:
    """Why this report's "is" and "fid" do not compare with the paper's, score → reasons."""
    whole = {"count": 0, "network": {}, "protocol": {}, **report}
    whole["protocol"] = {"splits": None, **whole["protocol"]}
    reasons = why_not(whole, run.dataset)
    common = why_not_data(run.manifest, run.setting("image_size")) if run.manifest else []
    return {score: [*common, *found] for score, found in reasons.items()}


def data_rows(run: RunRecord) -> list[tuple[str, str]]:
    """The manifest of a run's data set, in rows."""
    manifest = run.manifest
    if manifest is None:
        return []
    rows = [("data set", run.dataset)]
    for name, split in manifest["splits"].items():
        rows.append(
            (f"{name} split", f"{split['images']:,} images, {split['captions']:,} captions, {split['classes']} classes")
        )
    image, vocabulary = manifest["image"], manifest.get("vocabulary", {})
    rows.append(("stored for", f"S up to {image['max_size']}; {storage(manifest)}"))
    if "crop" in image:
        rows.append(("crop", str(image["crop"])))
    rows.append(("vocabulary", f"{vocabulary.get('words', '?')} words"))
    made = manifest.get("made_by", {})
    for name in ("version", "date", "left_out"):
        if name in made:
            rows.append((f"converted: {name.replace('_', ' ')}", str(made[name])))
    for split in manifest["splits"].values():
        rows += [(f"SHA-256 of {shard['file']}", shard["sha256"]) for shard in split["shards"]]
    return rows


def time_rows(run: RunRecord) -> list[tuple[str, str]]:
    """How fast and how long a run trained, and what its evaluations took."""
    rows = []
    speeds = [line["speed/images_per_second"] for line in run.log if finite(line.get("speed/images_per_second"))]
    seconds, batch = steps_seconds(run), run.setting("batch", 0)
    if speeds:
        rows.append(("median speed", f"{statistics.median(speeds):,.1f} images a second"))
    if run.step and batch:
        rows.append(("images seen", f"{run.step * batch:,} (batch {batch})"))
    if seconds:
        rows.append(("training steps alone", f"{format_duration(seconds)} by the log's speeds"))
    if run.started:
        rows.append(("first started", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.started))))
    took = [report["duration_s"] for report in run.evaluations if finite(report.get("duration_s"))]
    if took:
        rows.append((f"{len(took)} evaluations", f"{format_duration(sum(took))} in all"))
    return rows


def steps_seconds(run: RunRecord) -> float:
    """Seconds that the logged training steps took: each interval's steps by its speed."""
    batch, total, before = run.setting("batch", 0), 0.0, 0
    for line in run.log:
        per_second = line.get("speed/steps_per_second")
        if finite(line.get("speed/images_per_second")) and batch:
            per_second = line["speed/images_per_second"] / batch
        if per_second and finite(per_second) and per_second > 0:
            total, before = total + (line["step"] - before) / per_second, line["step"]
    return total


def environment_rows() -> list[tuple[str, str]]:
    """The machine and packages that the report was made with."""
    rows = [("ffgan_tf", __version__), ("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return [*rows, ("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores")]


def flat(report: Line, before: str = "") -> dict[str, Any]:
    """A report with its nested fields as `protocol.name`; lists as text, parts joined by `; `."""
    found: dict[str, Any] = {}
    for name, value in report.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = "; ".join(map(str, value)) if isinstance(value, list) else value
    return found


def csv_text(runs: Sequence[RunRecord], lines_of: Callable[[RunRecord], list[Line]]) -> str:
    """Lines of runs as CSV, a row a line: `lines_of(run)` gives them; a first column names the run."""
    rows = [{"run": run.name, **flat(line)} for run in runs for line in lines_of(run)]
    names = list({name: None for row in rows for name in row}) or ["run"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def metrics_csv(runs: Sequence[RunRecord]) -> str:
    """The evaluations of runs as CSV."""
    return csv_text(runs, lambda run: [*run.evaluations, *run.scores])


def log_csv(runs: Sequence[RunRecord]) -> str:
    """The training figures of runs as CSV."""
    return csv_text(runs, lambda run: run.log)


def headline(run: RunRecord, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """What stands under a run's name: how far it is, its networks' parameters, its best figures."""
    total = run.setting("steps", 0)
    found = [("step", f"{run.step:,}" + (f" of {total:,}" if total else ""))]
    if run.setting("image_size"):
        found.append(("image size", f"{run.setting('image_size')}×{run.setting('image_size')}"))
    found += [row for row in time_rows(run) if row[0] in ("images seen", "median speed", "training steps alone")]
    found += [(f"{network}'s parameters", f"{size / 1e6:.2f} million") for network, size in counts.items()]
    for one in evaluated(run)[-1:]:
        chosen = [(score, text) for score, text in one.scores.items() if score in ("fid", "colour_agreement")]
        found += [(f"{SCORES[score][0]} ({one.protocol})", text) for score, text in chosen]
    if run.best and finite(run.best.get("value")):
        found.append((f"best {run.best.get('metric')}", f"{run.best['value']:.4g} at step {run.best.get('step')}"))
    return found


def joined(names: Iterable[str]) -> str:
    """`a, b and c`."""
    names = list(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
