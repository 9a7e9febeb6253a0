"""Where a run's weights come from: data, training, figures, as JSON values without paths. Needs no TensorFlow."""

import json
from pathlib import Path
from typing import Any

from ffgan_tf import __version__
from ffgan_tf.config import TrainConfig
from ffgan_tf.data import records
from ffgan_tf.run.source import Source, is_model
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import read_json

# Settings that name files and folders of the machine that trained: only their last part leaves it.
PATHS = ("data", "init_from", "text_encoder", "image_encoder", "trunk_weights", "eval_inception_weights")

# What is kept of a report: no paths.
EVALUATION = tuple(
    "kind step fid kid kid_std is is_std precision recall density coverage r_precision r_precision_std variety "
    "variety_ratio count reference_count reference_stored protocol network is_network seed notes".split()
)
COLOURS = tuple("measure step colour_agreement real chance count seed".split())


def without_paths(config: TrainConfig) -> TrainConfig:
    """The settings with the names alone of the files and folders that they name."""
    values = config.flat()
    return config.replace(**{name: Path(values[name]).name for name in PATHS})


def provenance(source: Source, step: int, license_name: str = "other", notes: list[str] | None = None) -> dict:
    """Where a model's weights at a step come from.

    `software`, `run`, `checkpoint` (SHA-256 of its files), `images_seen`, `data` (name, counts, storage, vocabulary's
    hash), `text_encoder` (SHA-256 of its weights), `figures` (this step's reports of `evaluate` and
    `colour_agreement`), `license` and `notes` as given. For a model file: its own, with `license` and `notes` replaced
    where given.
    """
    if source.file:
        given = {"license": license_name if license_name != "other" else "", "notes": notes}
        return source.file.provenance | {name: value for name, value in given.items() if value}
    folder, config = source.needs_folder("a log"), source.config
    found: dict[str, Any] = {
        "software": f"ffgan_tf {__version__}",
        "run": source.name,
        "checkpoint": _files(folder / "checkpoints" / f"step-{step:08d}" / "meta.json"),
        "images_seen": step * config.schedule.batch,
        "data": _data(config.data),
        "figures": figures(folder / "metrics.jsonl", step),
        "license": license_name,
        "notes": notes or [],
    }
    if encoder := config.text.text_encoder:
        about = Path(encoder) / "encoder.json"
        unknown = f"those of {Path(encoder).stem}" if is_model(encoder) else "unknown"
        found["text_encoder"] = read_json(about).get("weights_sha256", unknown) if about.is_file() else unknown
    return found


def _files(meta: Path) -> dict[str, str]:
    return read_json(meta).get("files", {}) if meta.is_file() else {}


def _data(folder: str) -> dict[str, Any]:
    """The data set by its manifest; by its folder's name alone where it is not here any more."""
    try:
        manifest = records.read_manifest(folder)
    except UserError:
        return {"folder": Path(folder).name}
    splits = {
        split: {name: part[name] for name in ("images", "captions", "classes")}
        for split, part in manifest["splits"].items()
    }
    return {
        "folder": Path(folder).name,
        "name": manifest["name"],
        "splits": splits,
        "stored": records.storage(manifest),
        "vocabulary": manifest["vocabulary"]["hash"],
    }


def figures(metrics: Path, step: int) -> list[dict[str, Any]]:
    """The last report of each kind and protocol that `metrics.jsonl` has of a step, without paths; damaged lines are
    passed over."""
    if not metrics.is_file():
        return []
    found = {}
    for line in metrics.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            report = json.loads(line)
            if report["step"] != step:
                continue
        except (ValueError, KeyError, TypeError):
            continue
        if report.get("measure") == "colour_agreement":
            kept = COLOURS
        elif report.get("kind") == "evaluation":
            kept = EVALUATION
        else:
            continue
        short = {name: report[name] for name in kept if name in report}
        key = (report.get("measure", "evaluation"), json.dumps([short.get("protocol"), short.get("network")]))
        found[key] = short
    return list(found.values())
