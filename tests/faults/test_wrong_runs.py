"""Every command that reads a run, given what is no whole run, or no place to write to: `error: …` with the name and the
fix, exit code 2, nothing left behind."""

import ast
import json
import shutil
import sys
from types import SimpleNamespace

import pytest
from command_flags import call_main
from runs import ROOT, tool

from ffgan_tf import colour_agreement, evaluate, export, report, sample, serve, visualize
from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.run import settings
from ffgan_tf.run.source import find
from ffgan_tf.utils.errors import UserError, exit_code_main

TEXT = "--text=a red bird"
COMMANDS = {
    "sample": (sample, [TEXT]),
    "serve": (serve, ["--port=0"]),
    "visualize": (visualize, ["variety", TEXT]),
    "export": (export, [TEXT, "--out={out}"]),
    "safetensors": (export, [TEXT, "--out={out}.safetensors", "--format=safetensors"]),
    "evaluate": (evaluate, ["--inception_weights=none", "--cache_dir={out}"]),
    "colour_agreement": (colour_agreement, ["--labels={labels}"]),
    "score_run": (tool("score_run"), ["--labels={labels}", "--inception_weights=none", "--cache_dir={out}"]),
    "report": (report, ["--captions=0", "--out={out}"]),
    "compare_runs": (tool("compare_runs"), ["--out={out}", "--figure={out}.svg"]),
}
TELLS = ("report", "compare_runs")  # they say in their pages what is damaged


@pytest.fixture
def run_folder(tmp_path, tiny_records):
    """A run's folder before its first checkpoint."""
    folder = tmp_path / "run"
    settings.save(TrainConfig.of(image_size=64, data=str(tiny_records)), folder)
    shutil.copy(tiny_records / "vocabulary.json", folder)
    (folder / "log.jsonl").write_text('{"step": 1}\n')
    (tmp_path / "labels.csv").write_text("image,colour\na,red\n")
    return folder


def ended(capsys, command, run, tmp_path, *more):
    """Exit code, the `error:` lines, and all of what a command says on stderr."""
    module, arguments = COMMANDS[command]
    filled = [word.format(out=tmp_path / "out", labels=tmp_path / "labels.csv") for word in arguments]
    with pytest.raises(SystemExit) as stopped:
        exit_code_main(lambda argv: call_main(module, f"--run={run}", *filled, *more))([])
    said = capsys.readouterr().err
    return stopped.value.code, [line for line in said.splitlines() if line.startswith("error: ")], said


def missing(run):
    shutil.rmtree(run)


def empty(run):
    shutil.rmtree(run)
    run.mkdir()


def a_file(run):
    shutil.rmtree(run)
    run.write_text("a run")


def damsm(run):
    settings.save(DamsmConfig(), run)


def cut(run):
    path = settings.config_path(run)
    path.write_bytes(path.read_bytes()[:-200])


def edited(run):
    path = settings.config_path(run)
    path.write_text(json.dumps({**json.loads(path.read_text()), "seed": 77}))


def no_object(run):
    settings.config_path(run).write_text("[1]")


def no_text(run):
    settings.config_path(run).write_bytes(bytes(range(256)))


def no_vocabulary(run):
    (run / "vocabulary.json").unlink()


def wrong_vocabulary(run):
    (run / "vocabulary.json").write_bytes(b"\xff\xfe")


def cut_and_bare(run):
    cut(run)
    (run / "log.jsonl").unlink()


NONE = (missing, empty, a_file, cut_and_bare)
HARMS = (*NONE, damsm, cut, edited, no_object, no_text, no_vocabulary, wrong_vocabulary)


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_whole_run(run_folder, tmp_path, capsys, command, harm):
    harm(run_folder)
    before = sorted(tmp_path.rglob("*"))
    code, errors, said = ended(capsys, command, run_folder, tmp_path)
    if command in TELLS and harm not in NONE:
        told = said + (tmp_path / "out").read_text()
        assert code == 0
        assert harm in (damsm, no_vocabulary, wrong_vocabulary) or str(settings.config_path(run_folder)) in told
        return
    assert code == 2 and len(errors) == 1
    assert str(run_folder) in errors[0] and "Fix: " in errors[0]
    assert sorted(tmp_path.rglob("*")) == before


PLACES = {  # the flags by which a command is told where to write
    "sample": ["--out"],
    "visualize": ["--out"],
    "export": ["--out"],
    "safetensors": ["--out"],
    "evaluate": ["--cache_dir", "--output"],
    "colour_agreement": ["--sheet"],
    "score_run": ["--cache_dir"],
    "report": ["--out", "--csv", "--log_csv"],
    "compare_runs": ["--out", "--figure"],
}


@pytest.mark.parametrize("command, flag", [(command, flag) for command in PLACES for flag in PLACES[command]])
def test_a_place_below_a_file(run_folder, tmp_path, capsys, command, flag):
    (tmp_path / "file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    place = tmp_path / "file" / f"below{'.safetensors' * (command == 'safetensors')}"
    code, errors, _ = ended(capsys, command, run_folder, tmp_path, f"{flag}={place}")
    assert code == 2 and len(errors) == 1
    assert f"{flag}={place}: cannot be written" in errors[0] and "Fix: name another place" in errors[0]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["out", "out.safetensors", "out.md", "out.webp"])
def test_an_export_replaces_nothing(run_folder, tmp_path, capsys, name):
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    code, errors, _ = ended(capsys, "export" if name == "out" else "safetensors", run_folder, tmp_path)
    assert code == 2 and f"{tmp_path / name} is there already. Fix: " in errors[0]
    assert (tmp_path / name).read_text() == "mine" and sorted(tmp_path.rglob("*")) == before


IN_THE_RUN = ("sample", "visualize", "evaluate", "colour_agreement", "report")  # which write there by default


@pytest.mark.parametrize("command", IN_THE_RUN)
def test_a_read_only_run(run_folder, tmp_path, small_disk, command):
    disk = tmp_path / "disk"
    disk.mkdir()
    words = [word.format(out=tmp_path / "out", labels=tmp_path / "labels.csv") for word in COMMANDS[command][1]]
    words = [word for word in words if not word.startswith("--out=")]
    script = f'cp -r {run_folder} {disk}/run && mount -o remount,ro {disk} && exec "$@"'
    program = [sys.executable, "-m", f"ffgan_tf.{command}", f"--run={disk / 'run'}", *words]
    done = small_disk(disk, "1m", ["sh", "-c", script, "sh", *program])
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert str(disk / "run") in message and "Read-only file system" in message and "Fix: " in message


def test_scores_of_a_run_that_takes_nothing(run_folder, tmp_path, capsys):
    """--output is enough to evaluate a run in which nothing can be written."""
    (run_folder / "tensorboard").write_text("in the way")
    source, scores = find(run_folder), {"fid": 1.5, "step": 3}
    evaluate._write(SimpleNamespace(output=str(tmp_path / "mine.jsonl")), source, scores)
    assert json.loads((tmp_path / "mine.jsonl").read_text()) == scores
    assert f"note: not in TensorBoard. {run_folder / 'tensorboard'}: cannot be written" in capsys.readouterr().err
    with pytest.raises(UserError, match="tensorboard: cannot be written"):
        evaluate._write(SimpleNamespace(output=""), source, scores)


FULL = {
    "report": ["--captions=0", "--out={disk}/page.html"],
    "convert_folder": ["--test_ratio=0.25", "--image_size=64", "--workers=1", "--out={disk}/records"],
    "make_demo_dataset": ["--train_classes=1", "--test_classes=1", "--images_per_class=2", "--out={disk}/birds"],
}


@pytest.mark.parametrize("command", FULL)
def test_a_full_disk(run_folder, tmp_path, tiny_records, small_disk, command):
    """There is room for the names, and for a page of memory, not for the content."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = [word.format(disk=disk) for word in FULL[command]]
    words += {"report": [f"--run={run_folder}"], "convert_folder": [f"--folder={tiny_records.parent}"]}.get(command, [])
    listing = tmp_path / "left"
    script = f'code=0; "$@" || code=$?; ls -A {disk} > {listing}; exit $code'
    program = [sys.executable, "-m", f"ffgan_tf.{command}", *words]
    done = small_disk(disk, "8k", ["sh", "-c", script, "sh", *program])
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    assert str(disk) in errors[0] and "No space left on device" in errors[0] and "Fix: make room" in errors[0]
    assert listing.read_text() == ""


def test_every_error_of_the_code_names_its_fix():
    """In its own words, or in those of absl or of an error that it passes on; "must be …" says what would be right."""
    without = []
    for path in sorted([*(ROOT / "ffgan_tf").rglob("*.py"), *(ROOT / "tools").glob("*.py")]):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        constants = {
            node.targets[0].id: ast.get_source_segment(text, node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError"):
                continue
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            words = " ".join([ast.get_source_segment(text, node), *(constants.get(name, "") for name in names)])
            passes_on = path.name in ("flags.py", "retrieval.py") and "error" in names
            if not passes_on and not any(word in words for word in ("Fix", "FIX", "fix", "must be")):
                without.append(f"{path}:{node.lineno}: {ast.get_source_segment(text, node)}")
    assert without == []


def test_a_run_is_the_run_whatever_lies_beside_its_settings(run_folder):
    (run_folder / "model.safetensors").write_bytes(b"not a model")
    assert find(run_folder).folder == run_folder
