"""Outputs of an evaluation: a JSON line, TensorBoard scalars, readable tables."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from ffgan_tf.utils.errors import report_write_errors
from ffgan_tf.utils.files import utf8

SCALARS = (
    "fid",
    "kid",
    "kid_std",
    "is",
    "is_std",
    "precision",
    "recall",
    "density",
    "coverage",
    "r_precision",
    "r_precision_std",
    "variety",
    "variety_ratio",
)
_LABELS = {
    "fid": "FID",
    "kid": "KID",
    "is": "Inception Score",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "r_precision": "R-precision",
    "variety": "variety in a sentence",
    "variety_ratio": "of a class's variety",
}


def append_json_line(path: str | os.PathLike, report: dict[str, Any]) -> None:
    """Appends `report` as one line: a single write on a file opened for appending, so that lines never mix."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = utf8(json.dumps(report, ensure_ascii=False, allow_nan=False) + "\n")
    with report_write_errors(path), open(path, "ab", buffering=0) as file:
        file.write(line)
        os.fsync(file.fileno())


def is_reported(path: str | os.PathLike, report: dict[str, Any]) -> bool:
    """Whether a file of reports has one like this, but for its time: a killed training evaluates a step again."""

    def facts(value: dict[str, Any]) -> str:
        return json.dumps({key: value[key] for key in value if key not in ("time", "duration_s")}, sort_keys=True)

    path, wanted = Path(path), facts(report)
    for line in path.read_bytes().splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError, TypeError, LookupError):  # a line that is no report
            if facts(json.loads(line)) == wanted:
                return True
    return False


def write_tensorboard(folder: str | os.PathLike, report: dict[str, Any]) -> None:
    """Writes the scores as scalars `evaluation/<score>` at the report's step."""
    import tensorflow as tf

    with report_write_errors(folder):
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default(step=int(report.get("step") or 0)):
            for name in SCALARS:
                if name in report:
                    tf.summary.scalar(f"evaluation/{name}", report[name])
        writer.close()


def _value(report: dict[str, Any], name: str) -> str:
    if name not in report:
        return "–"
    digits = 5 if name == "kid" else 3
    spread = f" ± {report[name + '_std']:.{digits}f}" if f"{name}_std" in report else ""
    return f"{report[name]:.{digits}f}{spread}"


def score_rows(report: dict[str, Any]) -> list[list[str]]:
    """[score, value] for each measured score."""
    return [[label, _value(report, name)] for name, label in _LABELS.items() if name in report]


def curve_table(reports: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header, and one row per report: its step, number of images, scores."""
    names = [name for name in _LABELS if any(name in report for report in reports)]
    return (
        ["step", "images", *(_LABELS[name] for name in names)],
        [
            [f"{report['step']:,}", f"{report['count']:,}", *(_value(report, name) for name in names)]
            for report in reports
        ],
    )


def protocol_rows(report: dict[str, Any]) -> list[list[str]]:
    """[field, value] for everything that the scores depend on."""
    rows: list[list[Any]] = [["images", f"{report['count']:,} from {report['pictures']}"]]
    if "reference" in report:
        rows.append(["reference", f"{report['reference_count']:,} from {report['reference']}"])
        rows.append(["reference stored as", report.get("reference_stored")])
    rows += [[f"protocol {name}", value] for name, value in report["protocol"].items()]
    for which in ("network", "is_network", "damsm"):
        if report.get(which) and (which == "network" or report[which] != report["network"]):
            rows += [[f"{which} {name}", value] for name, value in report[which].items()]
    rows += [["seed", report["seed"]], ["step", report.get("step")]]
    return [[str(name), "–" if value is None else str(value)] for name, value in rows]


def format_table(header: list[str], rows: list[list[str]], style: str) -> str:
    """A table as "text", "md" or "latex" (booktabs)."""
    if style == "md":
        cells = [header, ["---"] * len(header), *rows]
        return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)
    if style == "latex":
        body = [" & ".join(_latex(cell) for cell in line) + r" \\" for line in (header, *rows)]
        return "\n".join(
            [
                rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
                r"\toprule",
                body[0],
                r"\midrule",
                *body[1:],
                r"\bottomrule",
                r"\end{tabular}",
            ]
        )
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in (header, *rows)]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _latex(cell: str) -> str:
    for mark in "&%$#_{}":
        cell = cell.replace(mark, "\\" + mark)
    return cell.replace(" ± ", r" $\pm$ ").replace("–", "--").replace("`", "'")
