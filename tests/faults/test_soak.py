"""`tools/soak.py`: a few kills of each training, and that it would notice a run that differs."""

import json
import os
import subprocess
import sys

import pytest
from runs import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import soak

sys.path.pop(0)


def run_soak(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "tools" / "soak.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
def test_a_few_kills_change_nothing(tmp_path):
    """Of the text encoder's training, whose processes are short; tests/training/test_kill.py kills the GAN's."""
    ended = run_soak("--kills=4", "--seed=3", "--trainings", "train_damsm", "--out", tmp_path / "soak")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("4 kills of ") and "0 differ" in ended.stdout and "kills 4/4" in ended.stderr


@pytest.fixture
def two_runs(tmp_path):
    for name, speed in (("one", 3.5), ("other", 4.5)):
        run = tmp_path / name
        (run / "checkpoints" / "step-00000002").mkdir(parents=True)
        (run / "tensorboard").mkdir()
        (run / "checkpoints" / "step-00000002" / "state").write_bytes(b"weights")
        (run / "log.jsonl").write_text(json.dumps({"step": 2, "loss": 1.5, "speed/images_per_second": speed}) + "\n")
        (run / "metrics.jsonl").write_text(json.dumps({"time": str(speed), "pictures": f"{run} at step 2"}) + "\n")
        (run / "tensorboard" / f"events.{name}").write_text(name)
        (run / "lock").write_text(name)
    return tmp_path / "one", tmp_path / "other"


def test_what_must_be_equal(two_runs):
    one, other = two_runs
    assert soak.differences(one, other) == []
    for name, content in (
        ("checkpoints/step-00000002/state", b"weighty"),
        ("log.jsonl", b'{"step": 2, "loss": 1.25}\n'),
        ("log.jsonl", (one / "log.jsonl").read_bytes() * 2),
        ("metrics.jsonl", b""),
        ("samples/step.png", b"one more"),
    ):
        path = other / name
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        assert soak.differences(one, other) == [name]
        path.unlink() if before is None else path.write_bytes(before)
    (other / "samples" / ".step.png.0123456789ab.tmp").write_bytes(b"left behind")
    assert soak.differences(one, other) == []


@pytest.mark.parametrize("change, made", [(1, []), (2, ["a"]), (3, ["a", "b"]), (4, ["a", "c"]), (9, ["a", "c"])])
def test_the_trap_kills_before_the_change(tmp_path, change, made):
    """Write a, write b, rename b to c: that many of them are done."""
    run = tmp_path / "run"
    run.mkdir()

    def work():
        sys.addaudithook(soak.Trap(run, soak.Moment(change, 0), tell))
        (run / "a").write_text("")
        (run / "a").read_text()  # no change
        (run / "b").write_text("")
        os.replace(run / "b", run / "c")

    ear, tell = os.pipe()
    status, _ = soak.forked(work, tmp_path / "words.txt")
    os.close(tell)
    labels = {1: "write a", 2: "write b", 3: "rename c"}
    assert sorted(path.name for path in run.iterdir()) == made
    assert os.read(ear, 100).decode() == labels.get(change, "") and os.WIFSIGNALED(status) == (change <= 3)
    os.close(ear)


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/r/checkpoints/.step-00000012.0123456789ab.tmp", "step-N"),
        ("/r/.duties.json.0123456789ab.tmp", "duties.json"),
        ("/r/text_encoder", "text_encoder"),
        ("/r/samples/step-00000004.png", "step-N"),
    ],
)
def test_kinds_of_files(path, kind):
    assert soak.kind_of(path).rstrip("png.") == kind.rstrip("png.")


def test_mistakes_in_the_arguments(tmp_path):
    (tmp_path / "there").write_text("")
    for arguments in (["--kills=0"], [f"--out={tmp_path}"], ["--kills=x"], ["--trainings", "x"]):
        ended = run_soak(*arguments)
        assert ended.returncode == 2 and "error:" in ended.stderr and "Traceback" not in ended.stderr
    assert run_soak("--help").returncode == 0
