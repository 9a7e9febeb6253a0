"""What goes wrong around a training: data damaged or gone, folders that cannot be written, NaN, no memory, no room."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from runs import ROOT, SETTINGS, command, run, state

from ffgan_tf.config import TrainConfig
from ffgan_tf.data import pipeline, records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.verify import verify
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.training.gan_loop import train
from ffgan_tf.training.gan_setup import make_text_encoder
from ffgan_tf.training.gan_step import METRICS, Gan
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import sha256_file

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")

STEPS = 12


def settings(data: Path, **changes) -> TrainConfig:
    """The tests' smallest training, with a checkpoint every step."""
    values = dict(setting.removeprefix("--").split("=") for setting in SETTINGS)
    fields = {field.name: field.type for _, field in TrainConfig.fields()}
    return TrainConfig.of(
        **{
            **{name: fields[name](value) for name, value in values.items()},
            "checkpoint_every": 1,
            "data": str(data),
            **changes,
        }
    )


@pytest.fixture
def own_records(tiny_records, tmp_path) -> Path:
    """Records to be harmed."""
    return Path(shutil.copytree(tiny_records, tmp_path / "records"))


def rewrite_shard(folder: Path, index: int, change) -> None:
    """Writes the `index`-th training shard anew, each record changed, and the manifest to match."""
    manifest = json.loads((folder / records.MANIFEST).read_text())
    entry = manifest["splits"]["train"]["shards"][index]
    path = folder / entry["file"]
    actual = list(records.read_shard(path))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in actual:
            writer.write(records.serialize(change(record)))
    entry.update(bytes=path.stat().st_size, sha256=sha256_file(path))
    records.write_manifest(folder, manifest)


@pytest.mark.slow
def test_a_image_that_cannot_be_decoded_stops_the_run_at_its_step(own_records, tmp_path):
    """The fourth step's third image: three steps are saved, and the tool that the error names finds it."""
    config = settings(own_records, steps=8)
    names = pipeline.load_split(str(own_records), "train").names
    index = int(
        pipeline.shuffled_index(tf.constant(3 * config.schedule.batch + 2, tf.int64), len(names), config.schedule.seed)
    )
    rewrite_shard(
        own_records,
        index // 10,
        lambda record: (
            record
            if record.name != names[index]
            else dataclasses.replace(record, encoded=record.encoded[: len(record.encoded) // 2])
        ),
    )
    with pytest.raises(
        UserError,
        match=rf"--data={own_records}: an image cannot be decoded\. Fix: "
        rf"python -m ffgan_tf.verify_records --data={own_records} ",
    ):
        train(config, tmp_path / "run")
    kept = Checkpoints(tmp_path / "run" / "checkpoints")
    assert kept.steps() == [1, 2, 3] and kept.latest() == 3
    faults = verify(own_records)
    assert len(faults) == 1 and f"{names[index]}: its image cannot be decoded" in faults[0]


def test_a_shard_that_changed_on_disk_is_named_before_training(own_records, tmp_path):
    shard = records.shard_paths(own_records, "train")[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    result = run("train", f"--run={tmp_path / 'run'}", f"--data={own_records}", *SETTINGS)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert f"error: {shard}: damaged shard" in result.stderr and "ffgan_tf.verify_records" in result.stderr


class Moved:
    """A run whose data folder is moved away while it trains."""

    def __init__(self, data: Path, folder: Path):
        self.data, self.elsewhere, self.run = data, folder / "elsewhere", folder / "run"
        self.config, self.lines = settings(data, steps=STEPS), 0
        mover = threading.Thread(target=self.move, daemon=True)
        mover.start()
        self.code = train(self.config, self.run)
        mover.join(10)

    def move(self) -> None:
        log = self.run / "log.jsonl"
        while not log.is_file() or not (lines := log.read_text().splitlines()):
            time.sleep(0.005)
        self.data.rename(self.elsewhere)
        self.lines = len(lines)


@pytest.fixture(scope="module")
def starved(tiny_records, tmp_path_factory) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A training without memory enough, and its folder. Begun early: TensorFlow waits long for what may become free.

    20,000 images of 64x64x3 bytes are 246 MB, and its allocator may hand out 200. (Not a batch that fits and a step
    that does not: on a CPU, Eigen's own buffers may be what fails then, and those it does not check.)
    """
    folder = tmp_path_factory.mktemp("starved") / "run"
    limit = {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_CPU_BFC_MEM_LIMIT_IN_MB": "200"}  # the allocator that GPUs have, too
    arguments = [f"--run={folder}", f"--data={tiny_records}", *SETTINGS, "--batch=20000"]
    process = subprocess.Popen(
        command("train", *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **limit},
    )
    yield process, folder
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def moved(tiny_records, tmp_path_factory, starved) -> Moved:
    folder = tmp_path_factory.mktemp("moved")
    return Moved(Path(shutil.copytree(tiny_records, folder / "records")), folder)


@pytest.mark.slow
def test_data_that_vanishes_during_training_is_in_memory(moved):
    assert 1 <= moved.lines < STEPS and not moved.data.exists()
    assert moved.code == 0 and Checkpoints(moved.run / "checkpoints").latest() == STEPS


@pytest.mark.slow
def test_data_that_has_vanished_is_named_on_resume(moved):
    result = run("train", f"--run={moved.run}", f"--steps={STEPS + 2}")
    assert result.returncode == 2
    assert f"error: {moved.data}: no such data folder (--data)" in result.stderr and "Traceback" not in result.stderr
    assert Checkpoints(moved.run / "checkpoints").latest() == STEPS


@pytest.mark.parametrize("name", ["tensorboard", "samples", "checkpoints"])
def test_a_file_in_the_place_of_a_folder_is_named_before_training(tiny_records, tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("in the way")
    with pytest.raises(UserError, match=f"{tmp_path / 'run' / name}: cannot be written .*Fix: .*another place"):
        train(settings(tiny_records, steps=1), tmp_path / "run")


def test_a_start_without_weights_leaves_no_settings(tiny_records, tmp_path):
    """So that the same folder takes other settings afterwards; and the advice is of this command's flags."""
    fid = {"eval_every": 1, "eval_inception": "keras", "eval_inception_weights": str(tmp_path / "none.h5")}
    with pytest.raises(
        UserError, match="none.h5: no such file; --eval_inception=keras .*Fix: --eval_inception_w"
    ) as error:
        train(settings(tiny_records, steps=1, **fid), tmp_path / "run")
    assert "--inception_weights" not in str(error.value)
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_read_only_disk_is_named_at_once(tiny_records, tmp_path, small_disk):
    script = f'mount -o remount,ro {tmp_path} && exec "$@"'
    result = small_disk(
        tmp_path,
        "1m",
        ["sh", "-c", script, "sh", *command("train", f"--run={tmp_path / 'run'}", f"--data={tiny_records}", *SETTINGS)],
    )
    assert result.returncode == 2, result.stderr
    assert f"error: --run={tmp_path / 'run'}: cannot be written to" in result.stderr
    assert "Read-only file system" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_planted_nan_is_named_by_term_layer_and_step(moved, tmp_path):
    """One NaN in a checkpoint whose digests are as they should be: the step after is the first to meet it."""
    folder = Path(shutil.copytree(moved.run, tmp_path / "run"))
    config = moved.config.replace(data=str(moved.elsewhere), steps=STEPS + 4)  # resumable: both may change
    gan = Gan(config, make_text_encoder(config, Vocabulary.load(moved.elsewhere / "vocabulary.json")))
    kept = Checkpoints(folder / "checkpoints")
    kept.restore(gan.checkpoint(), STEPS)
    kernel = gan.generator.stage2.dense.convs[0].kernel
    kernel.assign(tf.tensor_scatter_nd_update(kernel, [[1, 2, 3, 0]], [np.nan]))
    kept.save(gan.checkpoint(), STEPS)
    assert kept.damage(STEPS) is None
    with pytest.raises(UserError) as error:
        train(config, folder)
    actual = re.match(r"step (\d+): (\S+) is nan \((.*?)\); training has diverged and stops\. ", str(error.value))
    assert actual, error.value
    step, term, layer = actual.groups()
    assert int(step) == STEPS + 1 and term in METRICS
    assert layer == "the weight generator/stage2/dense/conv1/kernel holds NaN"
    assert f"The checkpoint of step {STEPS} is kept." in str(error.value) and kept.latest() == STEPS


@pytest.mark.slow
def test_a_full_disk_stops_the_run_with_the_last_checkpoint_whole(tiny_records, tmp_path, small_disk):
    """Three checkpoints of 5.5 MB fit on the disk, a fourth does not until there is more room."""
    disk, copy = tmp_path / "disk", tmp_path / "copy"
    disk.mkdir()
    training = command(
        "train",
        f"--run={disk / 'run'}",
        f"--data={tiny_records}",
        *SETTINGS,
        "--checkpoint_every=1",
        "--condition=sentence",
        "--steps=6",
    )
    script = (
        f'"$@" 2> {tmp_path}/first.txt; echo $?; cp -r {disk}/run {copy}; mount -o remount,size=64m {disk}; '
        f'"$@" > {tmp_path}/second.txt 2>&1; echo $?; ls -A {disk}/run/checkpoints'
    )
    result = small_disk(disk, "18m", ["sh", "-c", script, "sh", *training])
    first, second = ((tmp_path / name).read_text() for name in ("first.txt", "second.txt"))
    codes = [line for line in result.stdout.splitlines() if line in ("0", "1", "2")]
    assert codes == ["2", "0"], (result, first, second)
    kept = Checkpoints(copy / "checkpoints")
    newest = kept.latest()
    file = f"{disk}/run/checkpoints/step-{newest + 1:08d}"
    assert first.splitlines()[-1].startswith(f"error: {file}: cannot be written (")
    assert "No space left on device" in first and "Fix: make room on that disk, then run the same command" in first
    assert f"Whole checkpoints: steps {', '.join(map(str, kept.steps()))}." in first and "Traceback" not in first
    assert kept.steps() and all(kept.damage(step) is None for step in kept.steps())
    assert not list((copy / "checkpoints").glob(".*"))  # what was half-written is gone
    assert len(state(copy, newest)) > 100
    assert f"continuing at step {newest} of 6" in second and "done: 6 steps" in second
    assert result.stdout.splitlines()[-3:] == ["step-00000004", "step-00000005", "step-00000006"]


@pytest.mark.slow
def test_out_of_memory_at_the_first_step_says_which_batch_to_try(starved):
    process, folder = starved
    output = process.communicate(timeout=600)[0]
    assert process.returncode == 2, output
    assert output.splitlines()[-1].startswith(
        "error: out of memory at --batch=20000. Fix: --batch=10000 with --allow_config_change"
    ), output
    assert "Traceback" not in output and Checkpoints(folder / "checkpoints").steps() == []
