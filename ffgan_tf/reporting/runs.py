"""Reads a run's folder for a report. Missing and damaged files do not stop it: the report names them."""

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.config.fields import Settings
from ffgan_tf.data import records
from ffgan_tf.run import settings
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import read_json, read_text

Line = dict[str, Any]
DAMAGED = 5  # damaged lines that are named one by one


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """A run as a report sees it; what could not be read is empty or None, and `missing` says so in sentences."""

    folder: Path
    name: str
    kind: str  # "gan", "damsm", or "" where the settings could not be read
    config: Settings | None
    log: list[Line]  # log.jsonl: figures of the training steps, each with its "step"
    evaluations: list[Line]  # metrics.jsonl, as `evaluate` and --eval_every write it
    scores: list[Line]  # scores.jsonl, as tools/score_run.py writes it
    steps: list[int]  # that have a checkpoint, ascending
    best: Line | None  # checkpoints/best.json
    samples: list[tuple[int, Path]]  # (step, PNG of its sample grid), ascending
    sentences: list[str]  # of the sample grid
    manifest: Line | None  # of the run's data set
    started: float | None  # seconds since 1970, from the name of the first TensorBoard file
    missing: list[str]

    @property
    def step(self) -> int:
        """The newest step of which there is a checkpoint, a logged line or a grid; 0 for none."""
        return max([0, *self.steps, *(line["step"] for line in self.log[-1:]), *(step for step, _ in self.samples)])

    @property
    def dataset(self) -> str:
        """What the data set calls itself; "" where that is not known."""
        return str((self.manifest or {}).get("name", ""))

    def setting(self, name: str, default: Any = None) -> Any:
        """A setting's value by name."""
        return self.config.flat().get(name, default) if self.config else default


def read_runs(folders: list[str], data: str = "") -> list[RunRecord]:
    """The runs in these folders; equal folder names are told apart by their parents'.

    `data`: where their data set is, if not where its settings say. UserError for a folder that holds no run at all.
    """
    return [read_run(folder, name, data) for folder, name in zip(folders, run_names(folders))]


def run_names(folders: list[str]) -> list[str]:
    """Names for run folders: the last part of the path, as many parts as tell them apart, or a number."""
    paths = [Path(folder).resolve().parts[1:] or ("/",) for folder in folders]
    depth = [1] * len(paths)

    def names() -> list[str]:
        return ["/".join(parts[-count:]) for parts, count in zip(paths, depth)]

    while True:
        now = names()
        longer = [now.count(name) > 1 and count < len(parts) for name, count, parts in zip(now, depth, paths)]
        if not any(longer):
            break
        depth = [count + more for count, more in zip(depth, longer)]
    return [name if now.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(now, 1)]


def read_run(folder: str | Path, name: str = "", data: str = "") -> RunRecord:
    """Everything in a run's folder that a report shows. UserError where the folder holds no run at all."""
    folder, missing = Path(folder), []
    if not folder.is_dir():
        raise UserError(f"--run={folder}: no such folder. Fix: the folder of a run.")

    def tried(read: Callable[[], Any], fallback: Any, what: str = "") -> Any:
        try:
            return read()
        except UserError as error:
            missing.append(f"{what}{error}")
            return fallback

    config = tried(lambda: _read_config(folder, missing), None)
    log = _read_lines(folder / "log.jsonl", missing, "no curves of the training")
    log = _in_order([line for line in log if _is_step(line)])
    scores = _read_lines(folder / "scores.jsonl", missing, "")
    unscored = "" if scores else "it was not evaluated (python -m ffgan_tf.evaluate)"
    evaluations = _read_lines(folder / "metrics.jsonl", missing, unscored)
    steps = _numbered(folder / "checkpoints", r"step-(\d+)")
    samples = _numbered(folder / "samples", r"step-(\d+)\.png")
    if config is None and not (log or steps or samples):
        if settings.config_path(folder).exists():
            _read_config(folder, missing)  # raises, with the reason
        raise UserError(
            f"--run={folder}: not the folder of a run (no config.json, log, checkpoint, samples). Fix: name one."
        )
    if not steps:
        missing.append("checkpoints: none, so no images by its newest weights and no attention")
    if not samples:
        missing.append("samples: no grid of a training step (step-….png)")
    best = folder / "checkpoints" / "best.json"
    where = data or (config.flat()["data"] if config else "")
    what = "the data set is not read, so no photographs and no manifest: "
    manifest = tried(lambda: records.read_manifest(where), None, what) if where else None
    listed = folder / "samples" / "sentences.txt"
    return RunRecord(
        folder=folder,
        name=name or folder.resolve().name,
        kind=config.kind if config else "",
        config=config,
        log=log,
        evaluations=_reports(evaluations, "evaluation", "metrics.jsonl", missing),
        scores=_reports(scores, "score_run", "scores.jsonl", missing),
        steps=[step for step, _ in steps],
        best=tried(lambda: read_json(best), None) if best.exists() else None,
        samples=samples,
        sentences=tried(lambda: read_text(listed), "").splitlines() if listed.exists() else [],
        manifest=manifest,
        started=_started(folder / "tensorboard"),
        missing=missing,
    )


def _read_config(folder: Path, missing: list[str]) -> Settings:
    """The settings of a run of either kind; of edited ones `missing` says so."""
    path = settings.config_path(folder)
    kept = read_json(path, fix="Fix: put the run's own file back.")
    kind = DamsmConfig if kept.get(settings.KIND) == DamsmConfig.kind else TrainConfig
    return settings.load(kind, folder, accept_edits=missing.append)


def _read_lines(path: Path, missing: list[str], without: str) -> list[Line]:
    """The JSON objects of a file with one a line; damaged lines are left out and named in `missing`.

    `without`: what is missing where there is no such file; "" if that need not be said.
    """
    if not path.exists():
        if without:
            missing.append(f"{path.name}: no such file, {without}")
        return []
    try:
        lines = read_text(path).split("\n")
    except UserError as error:
        missing.append(str(error))
        return []
    found, damaged = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            damaged.append(number)
    if damaged:
        some = ", ".join(map(str, damaged[:DAMAGED])) + (" …" if len(damaged) > DAMAGED else "")
        word = "line is" if len(damaged) == 1 else "lines are"
        missing.append(f"{path.name}: {len(damaged)} {word} damaged and left out ({some})")
    return found


def _reports(lines: list[Line], kind: str, name: str, missing: list[str]) -> list[Line]:
    """The lines of one kind of report; those whose fields are of wrong types are left out, and `missing` says so."""
    reports = [line for line in lines if line.get("kind") == kind]
    sound = [
        line
        for line in reports
        if (line.get("step") is None or _is_step(line))
        and type(line.get("count")) is int
        and all(isinstance(line.get(part) or {}, dict) for part in ("protocol", "network", "is_network"))
    ]
    if len(sound) < len(reports):
        missing.append(f"{name}: {len(reports) - len(sound)} reports are not as they were written, and left out")
    return sound


def _is_step(line: Line) -> bool:
    return type(line.get("step")) is int and line["step"] >= 0


def _in_order(lines: list[Line]) -> list[Line]:
    """By step; where a step was logged twice in the same words, the later line."""
    last = {(line["step"], tuple(sorted(line))): line for line in lines}
    return sorted(last.values(), key=lambda line: line["step"])


def _numbered(folder: Path, pattern: str) -> list[tuple[int, Path]]:
    """Entries whose name is `pattern` with a step, ascending."""
    entries = folder.iterdir() if folder.is_dir() else []
    found = [(re.fullmatch(pattern, path.name), path) for path in entries]
    return sorted((int(match[1]), path) for match, path in found if match)


def _started(folder: Path) -> float | None:
    """When the first event file was made: its name has the time, which a copy keeps."""
    found = [re.match(r"events\.out\.tfevents\.(\d+)\.", path.name) for path in folder.glob("events.*")]
    return min((float(match[1]) for match in found if match), default=None)


def finite(value: Any) -> bool:
    """Whether a logged value is a number to draw."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
