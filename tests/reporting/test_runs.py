"""What is missing or damaged in a run's folder is said, and the rest is read."""

import json

import pytest
from made_runs import log_line, report_line

from ffgan_tf.reporting import charts
from ffgan_tf.reporting.runs import read_run, read_runs, run_names
from ffgan_tf.utils.errors import UserError


def test_everything_is_read(make):
    folder = make(reports=[report_line(100, 50.0), {"kind": "something else"}])
    (folder / "checkpoints" / "step-00000200").mkdir(parents=True)
    (folder / "checkpoints" / ".step-00000300.tmp").mkdir()
    (folder / "checkpoints" / "best.json").write_text('{"step": 100, "metric": "fid", "value": 50.0}')
    (folder / "tensorboard").mkdir()
    for number in (1_700_000_500, 1_700_000_000):
        (folder / "tensorboard" / f"events.out.tfevents.{number}.host.1.v2").touch()
    run = read_run(folder)
    assert (run.name, run.kind, run.step, run.steps, run.started) == ("birds", "gan", 300, [200], 1.7e9)
    assert [line["step"] for line in run.log] == [100, 200, 300] and len(run.evaluations) == 1
    assert [step for step, _ in run.samples] == [100, 200, 300] and run.best["value"] == 50.0
    assert len(run.missing) == 1 and run.missing[0].startswith("the data set is not read")


def test_damaged_lines_are_named_and_left_out(make):
    folder = make()
    whole = json.dumps(log_line(50))
    lines = ["{not json", whole, "", "[1, 2]", '{"step": "x"}', "[" * 5000, whole[:40], json.dumps(log_line(20))]
    (folder / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run = read_run(folder)
    assert [line["step"] for line in run.log] == [20, 50]  # by step
    assert "log.jsonl: 4 lines are damaged and left out (1, 4, 6, 7)" in run.missing


def test_a_step_logged_twice_counts_once(make):
    lines = [log_line(10, 1.0), log_line(10, 2.0), {"step": 10, "validation/loss": 3.0}]
    log = read_run(make(log=lines, steps=())).log
    assert [line.get("loss_d/total") for line in log] == [2.0, None]


def test_each_missing_part_is_said(make):
    folder = make(steps=(), samples=False)
    (folder / "log.jsonl").unlink()
    told = " ".join(read_run(folder).missing)
    for part in ("log.jsonl: no such file", "metrics.jsonl: no such file", "checkpoints: none", "samples: no grid"):
        assert part in told


@pytest.mark.parametrize(
    "wrong", [{"count": "many"}, {"protocol": "ffgan"}, {"network": [1]}, {"step": "3"}, {"step": -1}, {"count": None}]
)
def test_reports_of_other_types_are_left_out(make, wrong):
    run = read_run(make(reports=[report_line(100, 50.0), {**report_line(200, 40.0), **wrong}]))
    assert [line["fid"] for line in run.evaluations] == [50.0]
    assert "metrics.jsonl: 1 reports are not as they were written, and left out" in run.missing


def test_a_log_of_strange_values_is_drawn(make):
    strange = {"step": 20, "D/real": [1], "loss_d/total": {"a": 1}, "x": None, "grad_norm/d": "high", "y": True}
    run = read_run(make(log=[log_line(10), strange, log_line(30)], steps=()))
    shown = {chart.key: chart for chart in charts.log_charts([run])}
    assert [len(curve.places) for curve in shown["losses"].curves] == [2, 2]
    assert shown["losses"].curves[0].note == "1 not finite, left out" and not {"x", "y"} & set(shown)


def test_damaged_settings_and_records_do_not_stop_it(make):
    folder = make()
    (folder / "config.json").write_text("{", encoding="utf-8")
    (folder / "log.jsonl").write_bytes(b"\xff\xfe\x00")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "best.json").write_text("[]", encoding="utf-8")
    run = read_run(folder)
    assert run.config is None and run.kind == "" and run.best is None and run.setting("batch", 7) == 7 and run.samples
    assert all(any(name in told for told in run.missing) for name in ("config.json", "log.jsonl", "best.json"))


def test_no_run_at_all(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_run(tmp_path / "none")
    with pytest.raises(UserError, match="not the folder of a run"):
        read_run(tmp_path)


def test_names_tell_runs_apart(make):
    assert run_names(["/a/x/run", "/a/y/run", "/a/other"]) == ["x/run", "y/run", "other"]
    assert run_names(["/a/run", "/b/c/run", "/a/run"]) == ["a/run (1)", "c/run", "a/run (3)"]
    folder = make()
    assert [run.name for run in read_runs([str(folder), str(folder)])] != ["birds", "birds"]
