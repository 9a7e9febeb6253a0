"""`python -m ffgan_tf.evaluate`: what it refuses, and one real evaluation of two folders from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from ffgan_tf import evaluate
from ffgan_tf.metrics import protocols
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


evaluate.define_flags()  # the only command that these tests run in their own process


def call(*arguments):
    with flagsaver.flagsaver():
        evaluate.flags.FLAGS(["evaluate", *arguments])
        return evaluate.main(["evaluate"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """"a": 14 noisy pictures of 40×40; "mixed": 6 of two sizes, one of them grey."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name, count in (("a", 14), ("mixed", 6)):
        (root / name).mkdir()
        for index in range(count):
            size = 40 if name == "a" or index % 2 else 52
            image = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
            picture = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
            (picture.convert("L") if name == "mixed" and index == 3 else picture).save(root / name / f"{index}.png")
    return root


@pytest.mark.parametrize("arguments, message", [
    ([], "name what to evaluate"),
    (["--run=r", "--images=i"], "not both"),
    (["--images=i", "--reference=r", "--data=d"], "--reference goes with --images alone"),
    (["--images=i", "--step=3"], "--step names a checkpoint of --run"),
    (["--images=i", "--protocol=stackgan_is"], "--inception=stackgan_birds"),
    (["--images=i", "--is_weights=w"], "--is_weights without --is_inception"),
])
def test_flags_that_contradict_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        call(*arguments)


def test_missing_weights_are_named_with_their_origin(folders):
    with pytest.raises(UserError, match="(?s)--inception=fid2015.*Origin.*--inception_weights"):
        call(f"--images={folders / 'a'}")


def test_the_documents_hold_the_protocols_as_they_are():
    assert protocols.markdown_table() in (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights in the layout of Keras's `_notop.h5`."""
    import tensorflow as tf
    tf.keras.utils.set_random_seed(3)
    path = tmp_path_factory.mktemp("weights") / "inception_v3_notop.h5"
    tf.keras.applications.InceptionV3(include_top=False, weights=None).save_weights(path)
    tf.keras.backend.clear_session()
    return path


@pytest.mark.slow
def test_two_folders_from_one_command(folders, weights, tmp_path, capsys):
    network = [f"--inception_weights={weights}", "--inception=keras", "--batch=8", f"--cache_dir={tmp_path / 'cache'}"]
    out = tmp_path / "m.jsonl"
    assert call(f"--images={folders / 'a'}", f"--reference={folders / 'a'}", f"--output={out}", "--compare_to_paper",
                "--format=md", *network) == 0
    report = json.loads(out.read_text())
    assert abs(report["fid"]) < 1e-6 and report["precision"] == 1 and "is" not in report
    assert report["network"]["weights_sha256"] and report["protocol"]["name"] == "ours" and report["seed"] == 2020
    printed = capsys.readouterr()
    assert "| FF-GAN (paper) | 4.48 ± 0.04 |" in printed.out and "does not compare" in printed.out
    assert "took" in printed.err and "no class head" in printed.out

    assert call(f"--images={folders / 'mixed'}", f"--reference={folders / 'a'}", f"--output={out}", *network) == 0
    mixed = json.loads(out.read_text().splitlines()[1])
    assert mixed["fid"] > 0 and mixed["count"] == 6 and any("2 sizes" in note for note in mixed["notes"])


@pytest.mark.slow
def test_another_networks_weights_are_refused(folders, weights):
    with pytest.raises(UserError, match=weights.name):
        call(f"--images={folders / 'a'}", "--inception=fid2015", f"--inception_weights={weights}")
