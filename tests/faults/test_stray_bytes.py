"""Bytes that are not UTF-8, in names and words: refused with a reason before TensorFlow meets them, or escaped."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from PIL import Image

import ffgan_tf
from ffgan_tf.config.flags import any_bytes, parse
from ffgan_tf.evaluation.report import append_json_line
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_atomic, write_json
from ffgan_tf.utils.image_files import png_bytes

ROOT = Path(__file__).resolve().parents[2]
STRAY = os.fsdecode(b"caf\xe9")


def some_flags():
    values = flags.FlagValues()
    flags.DEFINE_string("run", "", "", flag_values=values)
    flags.DEFINE_string("folder", "", "", flag_values=values)
    any_bytes("folder", flag_values=values)
    flags.DEFINE_multi_string("many", [], "", flag_values=values)
    flags.DEFINE_list("few", [], "", flag_values=values)
    return values


@pytest.mark.parametrize(
    "words, named",
    [
        ([f"--run={STRAY}"], r"--run=caf\\udce9: not UTF-8"),
        (["--many=a", f"--many={STRAY}"], r"--many=caf\\udce9: not UTF-8"),
        ([f"--few=a,{STRAY}"], r"--few=caf\\udce9: not UTF-8"),
        (["--run=a", STRAY], r"caf\\udce9: not UTF-8"),
    ],
)
def test_a_flag_is_refused(words, named):
    with pytest.raises(UserError, match=named + ".*Fix: rename"):
        parse(["program", *words], some_flags())


def test_a_folder_that_tensorflow_does_not_open_may_have_any_name():
    values = some_flags()
    assert parse(["program", f"--folder={STRAY}", "--run=café"], values) == ["program"]
    assert (values["folder"].value, values["run"].value) == (STRAY, "café")


@pytest.mark.parametrize("command", ["train", "train_damsm", "sample", "report", "export", "serve"])
def test_a_run_with_such_a_name(tmp_path, command):
    (tmp_path / STRAY).mkdir()
    done = subprocess.run(
        [sys.executable, "-m", f"ffgan_tf.{command}", f"--run={tmp_path / STRAY}"], cwd=ROOT, capture_output=True
    )
    (message,) = done.stderr.decode("utf-8").splitlines()
    assert done.returncode == 2
    assert message.startswith(f"error: --run={tmp_path}/caf\\udce9: not UTF-8") and "Fix: rename" in message


def test_the_front_door():
    with pytest.raises(UserError, match=r"--run=caf\\udce9: not UTF-8"):
        ffgan_tf.load(STRAY)


def test_what_is_written_is_utf8_all_the_same(tmp_path):
    write_atomic(tmp_path / "text", f"a {STRAY} b")
    write_json(tmp_path / "json", {"folder": STRAY})
    append_json_line(tmp_path / "lines", {"folder": STRAY})
    for name in ("text", "json", "lines"):
        assert r"caf\udce9" in (tmp_path / name).read_bytes().decode("utf-8")
    for name in ("json", "lines"):
        assert json.loads((tmp_path / name).read_text(encoding="utf-8")) == {"folder": STRAY}
    png = png_bytes(np.zeros((2, 2, 3), np.uint8), {"folder": STRAY})
    assert Image.open(io.BytesIO(png)).text == {"folder": r"caf\udce9"}
