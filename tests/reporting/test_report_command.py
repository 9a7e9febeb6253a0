"""`python -m ffgan_tf.report` and `tools/compare_runs.py` as users call them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import report_line

ROOT = Path(__file__).parents[2]


def call(*arguments, folder=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder or ROOT, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def test_a_page_and_csv_without_tensorflow(make, tmp_path):
    """The import would be seen: a module of that name stands in its way."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('tensorflow was imported')", encoding="utf-8")
    one, other = make("one", reports=[report_line(100, 50.0)]), make("other", seed=2)
    code, stdout, stderr = call(
        "-m",
        "ffgan_tf.report",
        f"--run={one}",
        f"--run={other}",
        "--captions=0",
        "--csv=m.csv",
        "--log_csv=l.csv",
        folder=tmp_path,
    )
    assert (code, stderr) == (0, "")
    assert [line.split(" (")[0] for line in stdout.splitlines()] == ["report.html", "m.csv", "l.csv"]
    assert "<h1>one and other</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with open(tmp_path / "m.csv", newline="", encoding="utf-8") as file:
        assert [row["fid"] for row in csv.DictReader(file)] == ["50.0"]
    assert not (one / "report.html").exists()


def test_one_run_has_its_page_beside_it(make):
    folder = make()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    code, stdout, _ = call("-m", "ffgan_tf.report", f"--run={folder}", "--captions=0")
    assert code == 0 and stdout.startswith(f"{folder / 'report.html'} (")
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {folder / "report.html"} and before.items() <= after.items()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--run is missing"),
        (["--run=none"], "--run=none: no such folder"),
        (["--run=.", "--seeds=1-9"], "--seeds=1-9: 9 seeds. Fix"),
        (["--run=.", "--seeds=x"], "--seeds=x"),
        (["--run=none", "--captions=65"], "captions"),
        (["--run=none", "extra"], "'extra' is no flag"),
    ],
)
def test_mistakes(arguments, message, tmp_path):
    code, stdout, stderr = call("-m", "ffgan_tf.report", *arguments, folder=tmp_path)
    assert (code, stdout) == (2, "") and stderr.startswith("error: ") and message in stderr
    assert not list(tmp_path.iterdir())


def test_the_comparison_tool(make, tmp_path):
    folders = [make("one", reports=[report_line(100, 50.0)]), make("other", reports=[report_line(200, 40.0)], seed=2)]
    runs = [f"--run={folder}" for folder in folders]
    code, stdout, _ = call("tools/compare_runs.py", *runs, f"--figure={tmp_path / 'f.svg'}")
    assert code == 0 and "| one | 100 | 1,000 |" in stdout and "| FF-GAN (paper) |" in stdout
    assert (tmp_path / "f.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert call("tools/compare_runs.py", *runs, "--format=latex", f"--out={tmp_path / 't.tex'}")[:2] == (0, "")
    assert (tmp_path / "t.tex").read_text(encoding="utf-8").count(r"\toprule") == 2
    assert call("tools/compare_runs.py")[0] == 2
