"""Every place that writes, asked to write where it cannot: `error: …` with the place's name and exit code 2."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data.convert import folder
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.demo.birds import make_demo_dataset
from ffgan_tf.evaluation.colour_probe import ColourProbe
from ffgan_tf.evaluation.features import extract
from ffgan_tf.evaluation.images import FolderImages
from ffgan_tf.evaluation.report import append_json_line, write_tensorboard
from ffgan_tf.metrics.statistics import FeatureStatistics
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.utils.errors import UserError, exit_code_main
from ffgan_tf.utils.files import check_writable, directory_atomic, write_atomic, write_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for number in range(4):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (24, 30, 3), np.uint8)).save(
            root / f"{number}.png"
        )
        (root / f"{number}.txt").write_text("a bird\n")
    return root


class Constant:
    """A network whose features are ones."""

    def features(self, images):
        return {"2048": np.ones((len(images), 3), np.float32)}

    def protocol(self):
        return {"network": "constant"}


def save_checkpoint(place, pictures):
    import tensorflow as tf

    checkpoints = Checkpoints(place)
    checkpoints.remove_leftovers()
    checkpoints.save(tf.train.Checkpoint(value=tf.Variable(1)), 1)


PROBE = ColourProbe(["red"], np.ones(32), np.ones((320, 1)), np.zeros(1))
STATISTICS = FeatureStatistics.of(np.arange(12.0).reshape(6, 2))
WRITERS = {
    "converter": lambda place, pictures: convert(
        folder.read_source(pictures, test_ratio=0.5), place, Settings(image_size=16, workers=1)
    ),
    "demo": lambda place, pictures: make_demo_dataset(place, 0, 1, 1, 1, workers=1),
    "feature cache": lambda place, pictures: extract(FolderImages(str(pictures), "images"), [Constant()], 4, place),
    "statistics": lambda place, pictures: STATISTICS.save(place),
    "probe": lambda place, pictures: PROBE.save(place),
    "report": lambda place, pictures: append_json_line(place, {"fid": 1.0}),
    "tensorboard": lambda place, pictures: write_tensorboard(place, {"fid": 1.0}),
    "checkpoint": save_checkpoint,
    "a check before the work": lambda place, pictures: check_writable(place, "--output"),
    "a file": lambda place, pictures: write_atomic(place, b"x"),
    "json": lambda place, pictures: write_json(place, {"a": "b"}),
}


def below_a_file(root):
    (root / "file").write_text("x")
    return root / "file" / "below"


def long_name(root):
    return root / ("n" * 300)


def link_loop(root):
    (root / "loop").symlink_to(root / "loop")
    return root / "loop" / "below"


def no_such_device(root):
    return Path("/proc/nothing/below")


PLACES = [below_a_file, long_name, link_loop, no_such_device]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writer", WRITERS)
def test_where_nothing_can_be_written(tmp_path, pictures, writer, place, capsys):
    target = place(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as ended:
        exit_code_main(lambda argv: WRITERS[writer](target, pictures))([])
    stderr = capsys.readouterr().err
    (message,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert ended.value.code == 2 and "Fix: " in message
    assert any(part in message for part in ("below", "nnn", "file", "loop", "/proc/nothing")), message
    assert sorted(tmp_path.iterdir()) == before


SUBJECT = """
import os, sys
from ffgan_tf.utils.errors import exit_code_main
from ffgan_tf.utils import files, reading
exit_code_main(lambda argv: eval(sys.argv[1])(sys.argv[2]))([])
"""


@pytest.mark.parametrize("place", [below_a_file, no_such_device])
@pytest.mark.parametrize(
    "command",
    [
        "evaluate --inception_weights=x --images={pictures} --cache_dir={place}",
        "evaluate --inception_weights=x --images={pictures} --cache_dir={sound} --output={place}",
        "make_demo_dataset --train_classes=1 --test_classes=1 --images_per_class=1 --out={place}",
        "convert_folder --folder={pictures} --test_ratio=0.5 --image_size=16 --workers=1 --out={place}",
    ],
)
def test_commands_say_where_they_cannot_write(tmp_path, pictures, command, place):
    target = place(tmp_path)
    words = command.format(pictures=pictures, place=target, sound=tmp_path / "sound").split()
    done = subprocess.run(
        [sys.executable, "-m", f"ffgan_tf.{words[0]}", *words[1:]], cwd=ROOT, capture_output=True, text=True
    )
    (message,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and f"={target}: cannot be written" in message and "Traceback" not in done.stderr


# Root may read everything; without these two capabilities it is subject to a file's mode like anybody.
DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


@pytest.mark.parametrize(
    "what, word",
    [
        ("reading.read_bytes", "cannot be read (Permission denied)"),
        ("reading.read_json", "cannot be read (Permission denied)"),
        ("lambda p: files.write_atomic(p + '/x', b'y')", "Permission denied"),
        ("open", "Permission denied"),
        ("os.listdir", "Permission denied"),
    ],
)
def test_without_the_right_to(tmp_path, what, word):
    path = tmp_path / "secret"
    if "listdir" in what or "write" in what:
        path.mkdir()
    else:
        path.write_text("{}")
    path.chmod(0)
    prefix = DROP if os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("root cannot give up its capabilities here")
    command = [*prefix, sys.executable, "-c", SUBJECT, what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and word in done.stderr and str(path) in done.stderr, done.stderr


HOLD = """
import sys, time
from ffgan_tf.utils.files import directory_atomic
with directory_atomic(sys.argv[1], replace=True, exclusive=True) as folder:
    (folder / "part").write_bytes(b"x" * 1000)
    print("there", flush=True)
    time.sleep(600)
"""


def test_two_into_one_folder_and_what_a_killed_one_leaves(tmp_path, draw_cases, monkeypatch):
    from ffgan_tf.utils import files

    out = tmp_path / "out[1]"  # a name that a glob would take for a pattern

    def case(seed):
        first = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert first.stdout.readline() == "there\n"
            with pytest.raises(UserError, match="another process is writing it"):
                with directory_atomic(out, replace=True, exclusive=True):
                    raise AssertionError("two at a time")
        finally:
            first.kill()
            first.wait()
        assert len(list(tmp_path.glob(".out*"))) == 1, "what the kill left"
        monkeypatch.setattr(files, "FRESH", -1)
        with directory_atomic(out, replace=True, exclusive=True) as folder_:
            (folder_ / "whole").write_text(str(seed))
        assert [path.name for path in tmp_path.iterdir()] == ["out[1]"]
        assert (out / "whole").read_text() == str(seed)

    draw_cases(3, case)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    from ffgan_tf.utils import files

    def refuse(fd, kind):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    old = tmp_path / ".out.0123456789ab.tmp"
    old.mkdir()
    os.utime(old, (0, 0))
    with directory_atomic(tmp_path / "out", exclusive=True) as folder_:
        (folder_ / "a").write_text("b")
    assert (tmp_path / "out" / "a").read_text() == "b"
    assert old.exists()  # whether somebody is at it cannot be known


def test_who_looks_at_a_lock_does_not_take_it_away(tmp_path):
    """A second process tries the lock at the moment at which the first one takes it."""
    from ffgan_tf.utils import files

    (tmp_path / "a").mkdir()
    looked = files._locked(tmp_path / "a")
    assert looked.__enter__()
    waiting = threading.Thread(target=lambda: held.__enter__())
    held = files._held(tmp_path / "a")
    waiting.start()
    looked.__exit__(None, None, None)
    waiting.join(10)
    with files._locked(tmp_path / "a") as ours:
        assert not ours
    held.__exit__(None, None, None)


def test_a_young_leftover_may_be_somebodys(tmp_path):
    leftover = tmp_path / ".out.0123456789ab.tmp"
    leftover.mkdir()
    with directory_atomic(tmp_path / "out") as folder_:
        (folder_ / "a").write_text("b")
    assert leftover.exists()
    old = time.time() - 3600
    os.utime(leftover, (old, old))
    with directory_atomic(tmp_path / "out", replace=True) as folder_:
        (folder_ / "a").write_text("c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_long_lists_are_capped_and_whole_in_a_file(tmp_path, pictures):
    images = tmp_path / "many"
    images.mkdir()
    for number in range(130):
        os.link(pictures / "0.png", images / f"{number}.png")
    with pytest.raises(UserError) as raised:
        convert(folder.read_source(images, test_ratio=0.5), tmp_path / "out", Settings(image_size=16, workers=1))
    message = str(raised.value)
    assert len(message.splitlines()) < 60 and "… and 110 more" in message and "out.problems.txt" in message
    whole = (tmp_path / "out.problems.txt").read_text()
    assert all(f"{images / str(number)}.txt: the caption file is missing" in whole for number in range(130))
