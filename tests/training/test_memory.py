"""The estimate of a training's memory: its closed forms against built networks, its sums against measured peaks."""

import numpy as np
import pytest

from ffgan_tf.config import TrainConfig
from ffgan_tf.models import build
from ffgan_tf.models.blocks import blank_weights
from ffgan_tf.training import memory
from ffgan_tf.utils.errors import UserError

GIB = 2**30


def weights(model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": 64, "ngf": 8, "ndf": 8},
        {"image_size": 256, "ngf": 8, "ndf": 4, "dense_depth": 2, "dense_growth": 6, "condition": "sentence"},
        {"image_size": 64, "ngf": 8, "ndf": 4, "d_detail": 15.0},
        {"image_size": 64, "ngf": 8, "ndf": 4, "d_projected": 1.0},
        {"image_size": 256, "ngf": 8, "ndf": 4, "d_projected": 1.0},
        {"image_size": 256, "ngf": 8, "ndf": 4, "d_projected": 1.0, "d_side": 64, "d_detail": 15.0},
        {"image_size": 256, "ngf": 8, "ndf": 4, "enlarge": 2, "refine": 1},
        {"image_size": 128, "ngf": 6, "ndf": 8, "pyramid": "none", "z_dim": 30, "c_dim": 40},
        {"image_size": 128, "ngf": 8, "ndf": 8, "generator_stages": 2},
        {"image_size": 64, "ngf": 16, "ndf": 4, "dense_growth": 4, "dense_depth": 1, "pyramid": "none", "refine": 4},
    ],
)
def test_the_closed_forms_count_the_networks(settings):
    """Within 3 %: batch norm, biases and a few 1x1 convolutions are left out."""
    model = TrainConfig.of(**settings).model
    with blank_weights():
        generator, discriminator = build.build_generator(model), build.build_discriminator(model)
    assert memory.generator_weights(model) == pytest.approx(weights(generator), rel=0.03)
    assert memory.discriminator_weights(model) == pytest.approx(weights(discriminator), rel=0.03)


@pytest.mark.parametrize(
    "settings, peak",
    [
        ({"batch": 4}, 3.4),  # docs/speed.md
        ({"batch": 16}, 7.4),
        (
            {
                "image_size": 64,
                "ngf": 16,
                "ndf": 32,
                "dense_growth": 16,
                "up_filter": "blur",
                "batch": 16,
                "gradient_penalty": "r1",
            },
            1.375,  # VmHWM of trial t8 (docs/trials.md), with R1 and DAMSM's small trunk
        ),
        (
            {
                "image_size": 128,
                "ngf": 16,
                "ndf": 32,
                "dense_growth": 8,
                "up_filter": "late",
                "refine": 1,
                "d_detail": 15.0,
                "d_projected": 1.0,
                "batch": 16,
            },
            2.42,  # VmHWM of the run q (docs/trials.md), less 0.12 for its larger records
        ),
        (
            {
                "image_size": 256,
                "ngf": 16,
                "ndf": 32,
                "dense_growth": 8,
                "up_filter": "late",
                "refine": 1,
                "enlarge": 1,
                "d_side": 128,
                "d_detail": 15.0,
                "d_projected": 1.0,
                "batch": 16,
            },
            3.13,  # VmHWM of the run of flowers-256 (docs/trials.md), less 0.14 for its larger records
        ),
    ],
)
def test_the_estimate_is_near_the_measured_peaks(settings, peak):
    assert memory.need(TrainConfig.of(**settings), 20_000_000).total() / GIB == pytest.approx(peak, rel=0.12)


def test_parts_and_replicas_share_the_activations():
    whole = memory.need(TrainConfig.of(batch=16), 0)
    for settings, replicas in (({"batch": 16, "accumulate": 4}, 1), ({"batch": 16}, 4), ({"batch": 4}, 1)):
        part = memory.need(TrainConfig.of(**settings), 0, replicas)
        assert part.activations * 4 == pytest.approx(whole.activations) and part.state == whole.state


def test_a_training_that_does_not_fit(tmp_path, capsys):
    (tmp_path / "train-0.tfrecord").write_bytes(b"x" * 1000)
    config = TrainConfig.of(batch=16, data=str(tmp_path))
    wanted = memory.need(config, 1000).total()
    memory.check_fits(config, wanted)
    assert not capsys.readouterr().err
    memory.check_fits(config, wanted - 1)
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: this training needs about {wanted / GIB:.1f} GiB") and "--batch=8" in warning
    with pytest.raises(UserError, match=r"needs about .* Fix: --accumulate=2 or --batch=8"):
        memory.check_fits(config.replace(refuse_oversize=True), wanted - 1)


def test_what_is_available_lies_between_nothing_and_the_machine():
    with open("/proc/meminfo") as file:
        machine = int(file.readline().split()[1]) * 1024
    assert 0 < memory.available() <= 1.1 * machine


def test_replicas_share_the_memory_of_one_process_and_not_of_several(tmp_path, monkeypatch, capsys):
    """Logical CPUs of one machine hold the whole batch between them; a worker holds its own part alone."""
    config = TrainConfig.of(batch=16, data=str(tmp_path))
    between = (memory.need(config, 0).total() + memory.need(config, 0, 4).total()) / 2
    monkeypatch.setattr(memory, "available", lambda: between)
    monkeypatch.setattr(memory, "gpu_memory", lambda: None)
    for strategy, warned in (("mirrored", True), ("multi_worker", False)):
        memory.check_memory(config.replace(strategy=strategy), 4)
        assert ("warning: this training needs" in capsys.readouterr().err) == warned, strategy
    monkeypatch.setattr(memory, "gpu_memory", lambda: between)  # GPUs have each their own
    memory.check_memory(config.replace(strategy="mirrored"), 4)
    assert not capsys.readouterr().err
    memory.check_memory(config, 1)
    assert "warning" in capsys.readouterr().err
    # Other families' networks are not counted.
    memory.check_memory(TrainConfig.of_given(family="attngan", batch=16, data=str(tmp_path)), 1)
    assert not capsys.readouterr().err
