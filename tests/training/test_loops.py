"""Both loops in this process, on the smallest networks: a resumed run's learning rates and its remaining duties."""

import json
from pathlib import Path

import numpy as np
import pytest
from runs import SETTINGS, state

from ffgan_tf.config import DamsmConfig, TrainConfig
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.training import damsm_loop, damsm_setup, gan_loop

pytestmark = pytest.mark.usefixtures("unoptimised_graphs")


class Killed(BaseException):
    """The process ends here: nothing catches it."""


def gan_config(data: Path, **changes) -> TrainConfig:
    """The tests' smallest training."""
    values = dict(setting.removeprefix("--").split("=") for setting in SETTINGS)
    types = {field.name: field.type for _, field in TrainConfig.fields()}
    settings = {name: types[name](value) for name, value in values.items()}
    return TrainConfig.of(**{**settings, "data": str(data), **changes})


def raises(*_, **__):
    raise Killed


@pytest.fixture(scope="module")
def killed_run(tiny_records, tmp_path_factory) -> Path:
    """Two steps, killed after the last checkpoint and before the grid."""
    folder = tmp_path_factory.mktemp("gan") / "run"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Log, "images", raises)
        gan_loop.train(gan_config(tiny_records, steps=2), folder)
    return folder


@pytest.mark.slow
def test_what_the_killed_run_owed_comes_and_the_rates_are_the_settings_own(tiny_records, killed_run, capsys):
    """The same command again draws the grid; then a third step at learning rate 0 moves no trained weight."""
    assert Checkpoints(killed_run / "checkpoints").latest() == 2
    assert not list((killed_run / "samples").glob("*.png"))
    assert gan_loop.train(gan_config(tiny_records, steps=3, lr_g=0.0, lr_d=0.0, keep_checkpoints=9), killed_run) == 0
    output = capsys.readouterr().out
    assert (
        "still due at step 2: sample" in output and "continuing at step 2 of 3" in output and "done: 3 steps" in output
    )
    assert [path.name for path in sorted((killed_run / "samples").glob("*.png"))] == [
        "step-00000002.png",
        "step-00000003.png",
    ]
    two, three = state(killed_run, 2), state(killed_run, 3)
    kernels = [name for name in two if name.split("/")[0] in ("generator", "discriminator") and "/kernel/" in name]
    assert len(kernels) > 20
    for name in kernels:
        np.testing.assert_array_equal(two[name], three[name], err_msg=name)
    moments = [name for name in two if name.startswith("optimizer_g/_variables")]
    assert any(not np.array_equal(two[name], three[name]) for name in moments)  # the step was made
    lines = [json.loads(line) for line in (killed_run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] and lines[-1]["learning_rate/g"] == 0
    assert json.loads((killed_run / "duties.json").read_text()) == {
        "format": 1,
        "step": 3,
        "due": ["sample"],
        "done": ["sample"],
    }


@pytest.mark.slow
def test_damsms_encoders_come_after_a_kill_before_them(tiny_records, tmp_path, monkeypatch, capsys):
    """Killed between the last checkpoint and the validation; the same command leaves validation, best mark and pair."""
    config = DamsmConfig.of(
        data=str(tiny_records), image_trunk="small", image_size=64, batch=8, steps=2, log_every=1, attention_images=2
    )
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(damsm_setup.Validate, "__call__", raises)
        damsm_loop.train(config, tmp_path)
    assert Checkpoints(tmp_path / "checkpoints").latest() == 2 and not (tmp_path / "text_encoder").exists()
    assert damsm_loop.train(config, tmp_path) == 0
    output = capsys.readouterr().out
    assert (
        "still due at step 2: validate" in output
        and "step 2: test loss" in output
        and "The best encoders so far" in output
    )
    assert trained_together(tmp_path / "text_encoder", tmp_path / "image_encoder")
    assert Checkpoints(tmp_path / "checkpoints").best()["step"] == 2
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], "validation/loss" in line) for line in lines] == [(1, False), (2, False), (2, True)]
