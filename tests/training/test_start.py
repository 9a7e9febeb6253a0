"""The start of a training: which process writes in the run's folder, its lock, and mistakes found before anything."""

import json

import pytest
from command_flags import own_flags

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.run import settings
from ffgan_tf.run.lock import run_lock
from ffgan_tf.training.start import define_flags, opened_run, writes_run
from ffgan_tf.utils.errors import UserError

CLUSTER = {"worker": ["one:1", "two:2"]}


@pytest.mark.parametrize("index", [0, 1])
def test_of_several_workers_the_first_alone_writes(monkeypatch, index):
    """Every other one would find the folder locked."""
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": index}}))
    assert writes_run(TrainConfig.of(strategy="multi_worker")) == (index == 0)
    # Without the strategy the machines know nothing of each other, whatever TF_CONFIG says.
    assert writes_run(TrainConfig()) and writes_run(TrainConfig.of(strategy="mirrored")) and writes_run(DamsmConfig())


def test_one_process_writes(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert writes_run(TrainConfig.of(strategy="multi_worker"))


@pytest.fixture
def start():
    """`start(*words)` parses a command line of the GAN's training and opens its run; with flags of its own."""
    with own_flags() as values:
        define_flags(TrainConfig)

        def opened(*words):
            values(["train", *map(str, words)])
            return opened_run(TrainConfig, "runs/demo", "experiments/demo.cfg")

        yield opened


def test_a_run_is_open_to_one_process(start, tiny_records, tmp_path):
    with start(f"--run={tmp_path / 'run'}", f"--data={tiny_records}", "--lr_g=0.001") as (config, run):
        assert run == str(tmp_path / "run") and config.optimisers.lr_g == 0.001
        with pytest.raises(UserError, match="another process trains"), run_lock(run):
            pass
    with run_lock(tmp_path / "run"):
        pass


def test_a_second_worker_leaves_the_lock_to_the_first(start, tiny_records, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 1}}))
    words = f"--run={tmp_path / 'run'}", f"--data={tiny_records}", "--strategy=multi_worker"
    with run_lock(tmp_path / "run"), start(*words):
        pass
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 0}}))
    with run_lock(tmp_path / "run"), pytest.raises(UserError, match="another process trains"), start(*words):
        pass


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--run is missing"),
        (["--run={root}/run"], "--data is missing"),
        (["--run={root}/run", "--data={root}"], "manifest"),
        (["--run={root}/run", "--data={root}/none"], "no such data folder"),
    ],
)
def test_mistakes_leave_no_folder(start, tmp_path, words, message):
    with pytest.raises(UserError, match=message), start(*(word.format(root=tmp_path) for word in words)):
        pass
    assert not (tmp_path / "run").exists()


def test_changed_settings_are_named(start, tiny_records, tmp_path, capsys):
    settings.save(TrainConfig.of(data=str(tiny_records), lr_g=0.001), tmp_path)
    with start(f"--run={tmp_path}", "--lr_g=0.002", "--allow_config_change") as (config, _):
        assert config.optimisers.lr_g == 0.002
    assert "--lr_g: 0.001 before, 0.002 from here on" in capsys.readouterr().out
    words = f"--run={tmp_path}", "--lr_g=0.002", "--noallow_config_change"
    with pytest.raises(UserError, match="other settings"), start(*words):
        pass
