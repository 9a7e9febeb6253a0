"""What `--run` takes."""

import pytest

from ffgan_tf.run.source import run_and_step


@pytest.mark.parametrize(
    "text, path, step",
    [
        ("runs/cub", "runs/cub", None),
        ("runs/cub:2500", "runs/cub", 2500),
        ("runs/a:b", "runs/a:b", None),
        ("runs/a:b:40", "runs/a:b", 40),
        ("https://models.test/birds.safetensors", "https://models.test/birds.safetensors", None),
        (":40", ":40", None),
    ],
)
def test_a_run_and_its_step(text, path, step):
    assert run_and_step(text) == (path, step)
