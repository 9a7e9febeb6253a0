"""The command itself: flags, exit codes, messages."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*flags):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "ffgan_tf.make_demo_dataset", *flags],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_makes_a_data_set_once(tmp_path):
    flags = [f"--out={tmp_path / 'birds'}", "--train_classes=2", "--test_classes=1", "--images_per_class=2"]
    first = run(*flags)
    assert first.returncode == 0 and "4 train and 2 test images" in first.stdout, first.stderr
    assert len(list((tmp_path / "birds").rglob("*.jpg"))) == 6
    second = run(*flags)
    assert second.returncode == 2 and "--overwrite" in second.stderr and "Traceback" not in second.stderr
    assert run(*flags, "--overwrite", "--seed=1").returncode == 0


def test_wrong_flags_are_named(tmp_path):
    missing = run()
    assert missing.returncode == 2 and missing.stderr.startswith("error: --out is missing: Folder to make")
    wrong = run(f"--out={tmp_path / 'x'}", "--train_classes=0")
    assert wrong.returncode == 2 and "train_classes" in wrong.stderr and not (tmp_path / "x").exists()
