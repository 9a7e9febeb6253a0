"""Trainings as a user runs them, in separate processes, and the content of their checkpoints."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf

ROOT = Path(__file__).parents[1]
# The smallest networks that have every part but the pyramid; far more steps than any test waits for.
SETTINGS = (
    "--image_size=64",
    "--ngf=4",
    "--ndf=4",
    "--z_dim=10",
    "--c_dim=12",
    "--pyramid=none",
    "--dense_depth=1",
    "--dense_growth=8",
    "--batch=5",
    "--log_every=1",
    "--sample_every=1000",
    "--checkpoint_every=1000",
    "--grid_captions=4",
    "--steps=100000",
)


def command(module: str, *arguments) -> list[str]:
    """The command line of one of the package's commands."""
    return [sys.executable, "-m", f"ffgan_tf.{module}", *map(str, arguments)]


def run(module: str, *arguments) -> subprocess.CompletedProcess:
    """Runs it to its end."""
    return subprocess.run(command(module, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=900)


def tool(name: str) -> ModuleType:
    """A program of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state(folder: Path, step: int) -> dict[str, np.ndarray]:
    """All that a run's checkpoint of a step holds, by name."""
    reader = tf.train.load_checkpoint(str(folder / "checkpoints" / f"step-{step:08d}" / "state"))
    names = [name for name in reader.get_variable_to_shape_map() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {name: np.asarray(reader.get_tensor(name)) for name in names}


def logged(folder: Path) -> list[dict]:
    """The lines of a run's log.jsonl."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_equal_state(one: Path, other: Path, step: int) -> None:
    """The checkpoints of two runs hold the same, bit for bit: weights, both optimisers, EMA, step."""
    left, right = state(one, step), state(other, step)
    assert left.keys() == right.keys()
    assert len(left) > 100 and all(any(part in name for name in left) for part in ("optimizer_d", "optimizer_g", "ema"))
    for name in left:
        assert left[name].tobytes() == right[name].tobytes(), name
    assert int(left["step/.ATTRIBUTES/VARIABLE_VALUE"]) == step
