"""`python -m ffgan_tf.train` and `ffgan_tf.sample` as a user runs them: stopped, continued, refused, diverged."""

import contextlib
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from runs import ROOT, SETTINGS, assert_equal_state, command, run, state

from ffgan_tf.training.gan_step import METRICS


@contextlib.contextmanager
def training(*arguments) -> Iterator[subprocess.Popen]:
    """A training that runs; killed at the end if it still does."""
    process = subprocess.Popen(
        command("train", *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_until(process: subprocess.Popen, beginning: str) -> list[str]:
    """Reads the process's output up to a line that begins so."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    pytest.fail("the process ended without it:\n" + "".join(lines))


def terminated(process: subprocess.Popen) -> tuple[str, int]:
    """Sends SIGTERM; the rest of the output, and the step that was saved."""
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=120)[0]
    assert process.returncode == 0, rest
    stopped = [line for line in rest.splitlines() if line.startswith("stopped at step ")][0]
    return rest, int(stopped.split()[3].replace(",", ""))


class Story:
    """Two interruptions by SIGTERM and the straight run of as many steps; what was seen on the way."""

    def __init__(self, records: Path, folder: Path):
        self.data, self.broken, self.straight = records, folder / "broken", folder / "straight"
        with training(f"--run={self.broken}", f"--data={records}", *SETTINGS) as process:
            lines_until(process, "step 1/")
            process.send_signal(signal.SIGSTOP)  # so that it does not run ahead; it still holds the folder
            self.pid, self.second = process.pid, run("train", f"--run={self.broken}")
            process.send_signal(signal.SIGCONT)
            self.first_words, self.first_stop = terminated(process)
        with training(f"--run={self.broken}") as process:
            self.continued = "".join(lines_until(process, f"step {self.first_stop + 2:,}/"))
            _, self.stop = terminated(process)
        self.done = run("train", f"--run={self.straight}", f"--data={records}", *SETTINGS, f"--steps={self.stop}")


@pytest.fixture(scope="module")
def story(tiny_records, tmp_path_factory) -> Story:
    return Story(tiny_records, tmp_path_factory.mktemp("story"))


@pytest.mark.slow
def test_interrupted_and_straight_runs_are_equal_bit_for_bit(story):
    assert story.done.returncode == 0, story.done.stderr
    assert 1 <= story.first_stop < story.stop - 1
    assert_equal_state(story.broken, story.straight, story.stop)


@pytest.mark.slow
def test_sigterm_saves_and_says_how_to_go_on(story):
    assert f"stopped at step {story.first_stop:,} of 100,000 (SIGTERM received)" in story.first_words
    assert f"Continue: python -m ffgan_tf.train --run={story.broken}" in story.first_words
    assert f"continuing at step {story.first_stop:,} of 100,000" in story.continued


@pytest.mark.slow
def test_a_second_process_in_the_folder_is_refused(story):
    assert story.second.returncode == 2
    assert f"another process trains in this folder (host {socket.gethostname()} pid {story.pid})" in story.second.stderr


@pytest.mark.slow
def test_what_a_run_leaves(story):
    config = json.loads((story.straight / "config.json").read_text())
    assert config["ngf"] == 4 and config["steps"] == story.stop and config["beta1"] == 0.5  # given, and resolved
    lines = [json.loads(line) for line in (story.straight / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, story.stop + 1))
    tags = {*METRICS, "speed/images_per_second", "epoch", "learning_rate/g", "learning_rate/d"}
    assert all(tags <= line.keys() and np.isfinite(list(line.values())).all() for line in lines)
    assert lines[-1]["epoch"] == story.stop * 5 / 24
    sentences = (story.straight / "samples" / "sentences.txt").read_text().splitlines()
    assert len(sentences) == 4
    image = Image.open(story.straight / "samples" / f"step-{story.stop:08d}.png")
    assert image.mode == "RGB" and image.width >= 2 * 128 and image.height >= 2 * 128
    seen, counts = {}, {}
    for events in sorted((story.straight / "tensorboard").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(events)):
            for value in event.summary.value:
                seen[value.tag] = tf.make_ndarray(value.tensor)
                counts[value.tag] = counts.get(value.tag, 0) + 1
    assert tags | {"sentences", "samples"} <= seen.keys()
    assert all(counts[tag] == story.stop for tag in tags)
    assert float(seen["loss_g/kl"]) == pytest.approx(lines[-1]["loss_g/kl"])
    assert all(sentence in seen["sentences"].item().decode() for sentence in sentences)
    width, height, png = seen["samples"]
    assert (int(width), int(height)) == image.size
    np.testing.assert_array_equal(tf.io.decode_png(png), np.asarray(image))


@pytest.mark.slow
def test_divergence_names_step_and_term_and_keeps_the_last_good_checkpoint(story, tmp_path):
    folder, steps = tmp_path / "run", story.stop + 5
    shutil.copytree(story.straight, folder)
    refused = run("train", f"--run={folder}", "--lr_d=1e30", f"--steps={steps}")
    assert refused.returncode == 2
    assert "--lr_d: 0.0002 in" in refused.stderr and "now 1e+30" in refused.stderr
    assert "--allow_config_change" in refused.stderr
    diverged = run("train", f"--run={folder}", "--lr_d=1e30", f"--steps={steps}", "--allow_config_change")
    assert diverged.returncode == 2, diverged.stderr
    assert "--lr_d: 0.0002 before, 1e+30 from here on" in diverged.stdout
    error = [line for line in diverged.stderr.splitlines() if line.startswith("error: ")][0]
    step, term = error.removeprefix("error: step ").split(" is ")[0].split(": ")
    assert story.stop < int(step.replace(",", "")) <= steps and term in METRICS
    assert f"The checkpoint of step {story.stop} is kept" in error
    assert state(folder, story.stop).keys() == state(story.straight, story.stop).keys()
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [f"step-{story.stop:08d}"]


@pytest.mark.slow
def test_settings_that_do_not_fit_the_checkpoint_leave_the_runs_own(story, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(story.straight, folder)
    before = (folder / "config.json").read_bytes()
    refused = run("train", f"--run={folder}", "--ngf=6", "--allow_config_change")
    assert refused.returncode == 2 and "does not fit this run's networks" in refused.stderr
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.slow
def test_images_of_own_sentences(story, tmp_path):
    texts = ["--text=a red bird", "--text=A blue zeppelin bird!"]
    arguments = [f"--run={story.straight}", *texts, "--count=3", f"--out={tmp_path / 'one'}"]
    first = run("sample", *arguments, "--seed=4")
    assert first.returncode == 0, first.stderr
    assert "warning: not in the vocabulary, left out of 'A blue zeppelin bird!': zeppelin" in first.stderr
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(
        [
            "grid.png",
            *(f"{name}-{copy}.png" for copy in (1, 2, 3) for name in ("01-a-red-bird", "02-a-blue-zeppelin-bird")),
        ]
    )
    assert all(Image.open(tmp_path / "one" / name).size == (64, 64) for name in files if name != "grid.png")
    grid = Image.open(tmp_path / "one" / "grid.png")
    assert grid.width > 3 * 128 > grid.width / 2 and grid.height > 2 * 128
    unknown = run("sample", f"--run={story.straight}", "--text=zeppelin")
    assert unknown.returncode == 2 and "none of the words of 'zeppelin' is in the run's vocabulary" in unknown.stderr


def test_missing_data_is_named_with_the_tool_that_makes_it(tmp_path):
    result = run("train", f"--run={tmp_path / 'run'}", f"--data={tmp_path}")
    assert result.returncode == 2
    assert f"{tmp_path / 'manifest.json'}: the manifest is missing" in result.stderr
    assert "ffgan_tf.convert_cub" in result.stderr and "ffgan_tf.make_demo_dataset" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--data=x"], "--run is missing"),
        (["--run=x"], "--data is missing"),
        (["--run=x", "--data=x", "y"], "'y' is no flag"),
        (["--run=x", "--data=x", "--no_such=1"], "no_such"),
        (["--run=x", "--data=x", "--image_size=96"], "--image_size=96"),
    ],
)
def test_mistakes_on_the_command_line(arguments, words, tmp_path):
    result = run("train", *[argument.replace("=x", f"={tmp_path / 'x'}") for argument in arguments])
    assert result.returncode == 2 and words in result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_written_to(tiny_records, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run("train", f"--run={tmp_path / 'file' / 'run'}", f"--data={tiny_records}")
    assert result.returncode == 2 and f"--run={tmp_path / 'file' / 'run'}: cannot be written to" in result.stderr
