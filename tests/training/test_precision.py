"""Is bfloat16 imitated? By a processor's own list of flags."""

import pytest
import tensorflow as tf

from ffgan_tf import TrainConfig
from ffgan_tf.training.gan_loop import first_line
from ffgan_tf.training.precision import SLOW_BFLOAT16, imitates_bfloat16

ZEN3 = "processor\t: 0\nflags\t\t: fpu sse2 avx2 fma vaes\n\nprocessor\t: 1\nflags\t\t: fpu sse2 avx2 fma vaes\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ZEN3, True),
        (ZEN3.replace("vaes", "vaes avx512_bf16"), False),
        (ZEN3.replace("vaes", "amx_tile amx_bf16"), False),
        (ZEN3.replace("vaes", "avx512_bf16_of_another_kind"), True),  # whole words
        ("Features\t: fp asimd bf16 i8mm\n", False),
        ("model name\t: bf16-free\n", False),  # says nothing: no alarm
    ],
)
def test_the_flags_decide(tmp_path, text, expected):
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert imitates_bfloat16("mixed_bfloat16", 0, file) is expected


def test_no_alarm_for_other_arithmetic_a_gpu_or_an_unknown_machine(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(ZEN3)
    assert not imitates_bfloat16("float32", 0, file)
    assert not imitates_bfloat16("mixed_bfloat16", 1, file)
    assert not imitates_bfloat16("mixed_bfloat16", 0, tmp_path / "nothing")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_training_says_so_first(tmp_path, precision):
    lines = first_line(TrainConfig.of(precision=precision), 1800, 100, 1, tmp_path).splitlines()
    slow = imitates_bfloat16(precision, len(tf.config.list_logical_devices("GPU")))
    assert lines[:-1] == [SLOW_BFLOAT16] * slow
    assert lines[-1].startswith(f"FF-GAN: 1,800 images, 100 steps of 20, {precision} on 1 ")
