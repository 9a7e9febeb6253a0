"""`ffgan_tf.visualize` with hostile sentences, names, folders, lists and numbers: a sheet, or an error with its fix."""

import os
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from command_flags import own_flags
from PIL import Image

import ffgan_tf.run.text_to_image
from ffgan_tf import visualize
from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.utils.errors import exit_code_main

WORDS = [*"red bird a number zeppelin é 🐦 %s {} = , ../..".split(), "\udcff", "\n", "\t", "\0", "\u202e"]
NUMBERS = ["0", "1", "2", "3", "-1", "1e9", "nan", "999999999", "9" * 5000, "0x10", "", "٣", "1.5"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_records):
    """Runs and folders of images, sound and not, by name."""
    root = tmp_path_factory.mktemp("hostile")
    run = root / "run"
    config = TrainConfig.of(
        image_size=64, ngf=4, z_dim=4, c_dim=4, pyramid="none", dense_depth=1, dense_growth=4, data=str(tiny_records)
    )
    settings.save(config, run)
    vocabulary = Vocabulary.load(tiny_records / "vocabulary.json")
    vocabulary.save(run / "vocabulary.json")
    saved = tf.train.Checkpoint(
        ema=build.build_generator(config.model), text_encoder=build.build_text_encoder(len(vocabulary), 1.0, 1)
    )
    Checkpoints(run / "checkpoints").save(saved, 3)
    (root / "run\udcff").symlink_to(run)
    images, bad = root / "images", root / "bad"
    for folder in (images, bad, root / "empty", root / "no run"):
        folder.mkdir()
    Image.new("RGB", (64, 48), (200, 0, 0)).save(images / "a-red-bird.png")
    (bad / "a-red-bird.png").write_bytes(b"\x89PNG\r\n\x1a\nno image")
    (bad / "a-bird.gif").write_bytes(b"")
    (root / "no run" / "config.json").write_text("[")
    (root / "latin.txt").write_bytes("a réd bird\n".encode("latin-1"))
    (root / "long.txt").write_text("a red bird " * 20_000)
    (root / "many.txt").write_text("a red bird\n" * 30)
    (root / "files.txt").write_text("a-red-bird.png\ta red bird\n")
    (root / "nul.txt").write_bytes(b"a\0b\ta red bird\n\xff\xfe")
    (root / "deep.txt").write_text("/".join(["x" * 300] * 20))
    return root


@pytest.fixture
def one_run(monkeypatch):
    """Every sheet draws from one loaded model: what is tried are the inputs, not the loading."""
    loaded = {}
    original = ffgan_tf.run.text_to_image.load

    def load(path, step=None, ema=True):
        key = os.path.realpath(path), step, ema
        if key not in loaded:
            loaded[key] = original(path, step, ema)
        return loaded[key]

    monkeypatch.setattr("ffgan_tf.run.text_to_image.load", load)


def drawn_arguments(random, root, out) -> list[str]:
    """A command line that is sound in most places."""

    def some(values, often=None, share=0.7):
        return often if often is not None and random.random() < share else values[random.integers(len(values))]

    kind = some(list(visualize.KINDS))
    files = [str(path) for path in sorted(root.iterdir())] + ["/dev/zero", "/", "", "~nobody-there/x", "x" * 5000]
    text = " ".join(WORDS[i] for i in random.integers(0, len(WORDS), random.integers(0, 8)))
    arguments = [kind, f"--run={some(files, str(root / 'run'), 0.85)}"]
    arguments.append(f"--text={some([text, 'bird'], 'a red bird', 0.5)}")
    arguments.append(f"--out={some([*files, str(out / 'new' / 'x')], str(out), 0.9)}")
    optional = {
        "text_file": files,
        "captions": ["test:2", "test:0", "valid:1", "test:999999", "test", "train:" + "9" * 20],
        "seeds": [*NUMBERS, "1,2", "0-3", "3-1", "0-999999", "1," * 50],
        "truncation": ["0", "0.7", "1e308", "inf", "1e-300"],
        "step": ["3", "-1", "7", "999999999999"],
        "data": files,
    }
    own = {
        "swap": ["red=blue", "red=", "=", "(=blue", "red=\udcff", "a=" + "b," * 1000, "bird=red bird,green"],
        "frames": ["2", "3", "99999999999"],
        "channels": ["1", "16"],
        "neighbours": ["1", "999999999"],
        "by": ["pixels", "inception"],
        "inception": ["fid2015", "keras", "x"],
        "inception_weights": files,
        "model": [*files, *(f"\udcff={file}" for file in files), f"ours={root / 'run'}", f"x={root / 'images'}"],
        "list": [f"x={file}" for file in files],
        "real": ["true", "false"],
    }
    for name, values in optional.items():
        if random.random() < 0.2:
            arguments.append(f"--{name}={some(values)}")
    for name in visualize.KINDS[kind]:
        if random.random() < (0.8 if name in ("swap", "model") else 0.3):
            arguments.append(f"--{name}={some(own[name])}")
    return arguments


def test_a_sheet_or_an_error_with_its_fix(folders, one_run, tmp_path, draw_cases, capsys):
    outcomes = {0: 0, 2: 0}

    def case(seed):
        arguments = drawn_arguments(np.random.default_rng(seed), folders, tmp_path)
        with own_flags() as values:
            visualize.define_flags()
            try:
                parsed = values(["visualize", *arguments])
            except flags.Error:
                return  # refused by its flag
            try:
                exit_code_main(visualize.main)(parsed)
            except SystemExit as stop:
                code, said = stop.code, capsys.readouterr()
            except BaseException as error:
                raise AssertionError(f"{arguments}: {type(error).__name__} {str(error)[:200]}") from error
        assert code in (0, 2), (arguments, said.err)
        outcomes[code] += 1
        if code == 2:
            assert "error: " in said.err and len(said.err) < 20_000, (arguments, said.err[:300])
        for path in tmp_path.rglob("*.tmp"):
            raise AssertionError(f"{arguments}: left {path}")

    draw_cases(60, case)
    print(outcomes, file=sys.stderr)
    assert min(outcomes.values()) > 5
