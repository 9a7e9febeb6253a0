"""What a program makes of the old runs: its images, its scores, and where its trainings go from there.

`make.py` asks the old program, `tests/run/test_old_runs.py` the one of this checkout; both through the commands, in a
folder that holds `records`, `damsm` and `gan`, whose settings name each other relative to that folder.
"""

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
from inception_references import Weights, write_graph_def
from PIL import Image
from runs import command, state

HERE = Path(__file__).resolve().parent
ARCHIVE, FIGURES, SAMPLES = HERE / "runs.zip", HERE / "figures.json", HERE / "samples"
STEPS = {"gan": 40, "damsm": 20}  # at which the runs were left
# The command, how many steps further, and what else is said: the run was trained with MA-GP, whose formula is another
# one since (DF-GAN's code's instead of its paper's), so it goes on with R1, which reaches the same code.
RESUME = {
    "gan": ("train", 3, ("--gradient_penalty=r1", "--allow_config_change")),
    "damsm": ("train_damsm", 3, ()),
}
SENTENCES = ("a small red bird with a blue wing", "this is a big white bird on the green ground")
SCORES = ("fid", "kid", "is", "precision", "recall", "density", "coverage", "r_precision")
LOSSES = {
    "gan": ("loss_d/total", "loss_d/penalty", "loss_g/total", "loss_g/kl", "loss_g/damsm"),
    "damsm": ("loss/total", "learning_rate", "validation/loss"),
}
COUNTS = ("count", "reference_count", "is_classes", "r_precision_captions", "step", "seed")


def unpack(folder: Path) -> Path:
    """Writes records and runs into `folder`, which is returned: locks, logs and resumed steps belong into a copy."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


def run(package: Path, folder: Path, module: str, *arguments: str) -> str:
    """Runs a command of the checkout `package` inside `folder`; its output. AssertionError where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(package), "KERAS_HOME": "/nonexistent"}
    done = subprocess.run(
        command(module, *arguments), cwd=folder, capture_output=True, text=True, timeout=600, env=environment
    )
    assert done.returncode == 0, f"{module} {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}"
    return done.stdout


def sample(package: Path, folder: Path) -> dict[str, np.ndarray]:
    """Two images of each of SENTENCES: file name → uint8 (64, 64, 3)."""
    run(
        package,
        folder,
        "sample",
        "--run=gan",
        "--count=2",
        "--seed=1",
        "--out=samples",
        *(f"--text={sentence}" for sentence in SENTENCES),
    )
    return read_images(folder / "samples")


def read_images(folder: Path) -> dict[str, np.ndarray]:
    """The images of a folder by file name, without the grid, whose letters are a font's."""
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png")) if path.name != "grid.png"}


def evaluate(package: Path, folder: Path) -> dict[str, float]:
    """SCORES and COUNTS of the GAN's run, as its `metrics.jsonl` has them.

    The network is the 2015 Inception's graph with random weights (`inception_references`, held by its own tests): what
    the figures mean does not matter here, and no weights need to be fetched.
    """
    write_graph_def(folder / "inception.pb", Weights(1))
    run(
        package,
        folder,
        "evaluate",
        "--run=gan",
        "--damsm=damsm",
        "--num_samples=15",
        "--batch=15",
        "--inception_weights=inception.pb",
        "--cache_dir=cache",
    )
    report = json.loads((folder / "gan" / "metrics.jsonl").read_text().splitlines()[-1])
    return {name: report[name] for name in (*SCORES, *COUNTS)}


def resume(package: Path, folder: Path, name: str) -> dict[str, np.ndarray]:
    """Trains the run `name` a few steps further; the state that it then saves. Little but --run and --steps is said
    (RESUME), so the settings come from the old config.json."""
    module, further, flags = RESUME[name]
    goal = STEPS[name] + further
    run(package, folder, module, f"--run={name}", f"--steps={goal}", "--log_every=1", *flags)
    return state(folder / name, goal)


def logged(folder: Path, name: str) -> list[dict[str, float]]:
    """The steps and LOSSES of each line that `resume` added to the run's `log.jsonl`."""
    lines = [json.loads(line) for line in (folder / name / "log.jsonl").read_text().splitlines()]
    return [
        {key: line[key] for key in ("step", *LOSSES[name]) if key in line}
        for line in lines
        if line["step"] > STEPS[name]
    ]


def movement(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """How far, and where to, each variable went: name → [‖Δ‖, Δ·w], float64.

    w is a fixed wave of root mean square 1, so that an error e in Δ changes the second by about ‖e‖.
    """
    actual = {}
    for name in sorted(after):
        if after[name].dtype.kind not in "fiu":
            continue
        change = after[name].astype(np.float64).ravel() - before[name].astype(np.float64).ravel()
        wave = np.sqrt(2) * np.cos(np.arange(1, change.size + 1))
        actual[name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")] = [float(np.linalg.norm(change)), float(change @ wave)]
    return actual


def digest(values: dict[str, np.ndarray]) -> str:
    """SHA-256 of all names and bytes: equal where every bit is."""
    total = hashlib.sha256()
    for name in sorted(values):
        total.update(name.encode() + b"\0" + np.ascontiguousarray(values[name]).tobytes())
    return total.hexdigest()
