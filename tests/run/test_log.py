"""What a run tells, read back: by TensorBoard's own reader, after restarts and at a full disk."""

import inspect
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ffgan_tf.run.log import Log, ends_whole, lines_until
from ffgan_tf.utils.errors import UserError


def age(run: Path) -> None:
    """Makes the event files an hour older: they are named after the second they began in, and read in that order."""
    for path in sorted((run / "tensorboard").iterdir()):
        *words, second, rest = path.name.split(".", 4)
        path.rename(path.with_name(".".join([*words, str(int(second) - 3600), rest])))


def logged(run: Path, first: int, last: int, start: int, value: float = 0.0) -> Log:
    """A log of a run that begins after `start`: scalars of the steps `first` to `last` and an image of the last."""
    log = Log(run, start)
    for step in range(first, last + 1):
        log.scalars(step, {"loss/total": value + step, "speed": 1.0})
    log.images(last, np.full([2, 8, 8, 3], last, np.uint8), ["a red bird", "a blue bird"])
    return log


def tensorboard(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every tag, as TensorBoard shows them (images: their width)."""
    # Not event_accumulator, which is of no use to TensorBoard itself any more and knows no restarts of tf.summary's.
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run / "tensorboard"), {"tensors": 0}).Reload()
    seen = {}
    for tag in accumulator.Tags()["tensors"]:
        events = [(event.step, tf.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        seen[tag] = [(step, float(array if array.ndim == 0 else int(array[0]))) for step, array in events]
    return seen


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("resumed", [0, 4, 7])
def test_steps_after_the_one_resumed_at_are_told_once(tmp_path, resumed):
    """Killed after step 7 (not closed), resumed at an older checkpoint, up to step 9."""
    killed = logged(tmp_path, 1, 7, 0)
    age(tmp_path)
    logged(tmp_path, resumed + 1, 9, resumed, value=100.0).close()
    want = [(step, step + (100.0 if step > resumed else 0.0)) for step in range(1, 10)]
    assert [(line["step"], line["loss/total"]) for line in lines(tmp_path)] == want
    seen = tensorboard(tmp_path)
    assert seen["loss/total"] == want
    assert [step for step, _ in seen["samples"]] == [step for step in (7, 9) if step <= resumed or step == 9]
    with Image.open(tmp_path / "samples" / "step-00000009.png") as sheet:
        assert np.count_nonzero(np.asarray(sheet) == 9) >= 2 * 8 * 8 * 3  # two images of grey 9
    killed.close()


def test_many_restarts(tmp_path):
    """Each is killed three steps after its checkpoint."""
    for start in range(0, 20, 2):
        logged(tmp_path, start + 1, start + 5, start, value=100.0 * start)
        age(tmp_path)
    want = [(step, step + 100.0 * min((step - 1) // 2 * 2, 18)) for step in range(1, 24)]
    assert [(line["step"], line["loss/total"]) for line in lines(tmp_path)] == want
    assert tensorboard(tmp_path)["loss/total"] == want


def test_what_a_duty_told_before_the_kill_is_not_told_again(tmp_path):
    """A validation that was done but not marked is done twice; other figures of that step are told."""
    scores = {"validation/loss": 3.0, "validation/r_precision": 0.5}
    killed = logged(tmp_path, 1, 3, 0)
    killed.scalars(3, scores)
    age(tmp_path)
    log = Log(tmp_path, 3)
    log.scalars(3, scores)
    log.scalars(3, {"other": 1.0})
    log.scalars(4, scores)
    assert [sorted(line) for line in lines(tmp_path)[2:]] == [
        ["loss/total", "speed", "step"],
        ["step", *scores],
        ["other", "step"],
        ["step", *scores],
    ]
    assert tensorboard(tmp_path)["validation/loss"] == [(3, 3.0), (4, 3.0)]
    for each in (killed, log):
        each.close()


def test_a_run_that_was_never_restarted_is_one_event_file(tmp_path):
    logged(tmp_path, 1, 3, 0).close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert [step for step, _ in tensorboard(tmp_path)["speed"]] == [1, 2, 3]


def test_lines_until():
    content = b'{"step": 1}\n{"step": 2, "a": "\xc3\xa9"}\n{"step": 2}\n{"step": 10}\n{"step": 3}\n'
    assert lines_until(content, 2) == content[: content.index(b'{"step": 10')]
    assert lines_until(content, 100) == content
    assert lines_until(content, 0) == b""
    assert lines_until(content + b'{"step": 1', 100) == content  # killed within a write
    assert lines_until(content + b'{"step": 1}', 100) == content


def test_the_log_is_replaced_whole(tmp_path, monkeypatch):
    """A kill while the log is cut leaves it as it was."""
    logged(tmp_path, 1, 5, 0).close()
    before = (tmp_path / "log.jsonl").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        Log(tmp_path, 2)
    monkeypatch.undo()
    assert (tmp_path / "log.jsonl").read_bytes() == before
    Log(tmp_path, 2).close()
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]


def test_whole_and_torn_records(tmp_path):
    path = tmp_path / "events"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"x" * 100)
    first = path.stat().st_size
    assert ends_whole(path, 0) and not ends_whole(path, first)
    with tf.io.TFRecordWriter(str(tmp_path / "more")) as writer:
        writer.write(b"y" * 100)
        writer.write(b"")
    whole = path.read_bytes() + (tmp_path / "more").read_bytes()
    path.write_bytes(whole)
    assert ends_whole(path, 0) and ends_whole(path, first)
    for cut in range(1, 20):
        path.write_bytes(whole[:-cut])
        assert ends_whole(path, first) == (cut == 16)  # the empty record's length and checksums


@pytest.mark.parametrize("name", ["tensorboard", "log.jsonl", "samples"])
def test_something_in_the_place_of_a_log_is_named(tmp_path, name):
    if name == "log.jsonl":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("in the way")
    with pytest.raises(UserError, match=f"{tmp_path / name}: cannot be written .*Fix: .*another place"):
        Log(tmp_path)


FULL = f"""
import contextlib, json, sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from ffgan_tf.run.log import Log
from ffgan_tf.utils.errors import UserError
{inspect.getsource(age)}

def scalars(log):
    for step in range(2, 1000):  # a file's last block has some room left
        log.scalars(step, {{"loss": 1.0}})

def lines(log):
    log._tensorboard = lambda step: contextlib.nullcontext()
    scalars(log)

def image(log):
    with log._tensorboard(2):
        tf.summary.image("samples", noise)

noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
# lines first: a writer that fails stays TensorFlow's default one, and would be met again here.
cases = {{"lines": lines, "scalars": scalars, "png": lambda log: log.images(2, noise, ["a"] * 4), "image": image,
         "text": lambda log: log.text("sentences", "a red bird " * 1000, 2), "start": lambda log: Log(log.run, 0)}}
for name, case in cases.items():
    run = Path(sys.argv[1]) / name
    log = Log(run, 0)
    log.scalars(1, {{"loss": 1.0}})
    with contextlib.suppress(OSError), open(run / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    said = None
    try:
        case(log)
    except UserError as error:
        said = str(error)
    (run / "filler").unlink()
    age(run)
    again = Log(run, 1)
    again.scalars(2, {{"loss": 2.0}})
    again.close()
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
    seen = EventAccumulator(str(run / "tensorboard"), {{"tensors": 0}}).Reload().Tensors("loss")
    print(json.dumps([name, said, (run / "log.jsonl").read_text(), [event.step for event in seen]]))
"""


@pytest.mark.slow
def test_a_full_disk_is_named_and_the_log_goes_on_after_it(tmp_path, small_disk):
    done = small_disk(tmp_path, "512k", [sys.executable, "-c", FULL, tmp_path])
    assert done.returncode == 0, done.stderr
    actual = {name: rest for name, *rest in map(json.loads, done.stdout.splitlines())}
    named = {
        "scalars": "tensorboard/events.out",
        "lines": "log.jsonl",
        "png": "samples/step-00000002.png",
        "image": "tensorboard/events.out",
        "text": "tensorboard/events.out",
        "start": "tensorboard",
    }
    assert actual.keys() == named.keys()
    for name, file in named.items():
        message, lines, steps = actual[name]
        assert message and message.startswith(f"{tmp_path / name / file}") and ": cannot be written (" in message, (
            name,
            message,
        )
        assert "No space left on device" in message, message
        assert message.endswith("Fix: make room on that disk, then run the same command again."), message
        assert lines == '{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 2.0}\n' and steps == [1, 2]
