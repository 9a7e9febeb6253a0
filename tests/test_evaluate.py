"""`python -m ffgan_tf.evaluate`: its refusals, and one real evaluation of two folders from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_flags import call_main
from PIL import Image

from ffgan_tf import evaluate
from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.evaluation import protocols
from ffgan_tf.run import model_file, settings
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def call(*arguments):
    return call_main(evaluate, *arguments)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """ "a": 14 noisy images of 40×40; "mixed": 6 of two sizes, one of them grey."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name, count in (("a", 14), ("mixed", 6)):
        (root / name).mkdir()
        for index in range(count):
            size = 40 if name == "a" or index % 2 else 52
            image = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
            image = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
            (image.convert("L") if name == "mixed" and index == 3 else image).save(root / name / f"{index}.png")
    return root


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "nothing, or too much, to evaluate"),
        (["--run=r", "--images=i"], "not both"),
        (["--images=i", "--reference=r", "--data=d"], "--reference goes with --images alone"),
        (["--images=i", "--step=3"], "--step and --steps name checkpoints of --run"),
        (["--images=i", "--steps=all"], "--step and --steps name checkpoints of --run"),
        (["--run=r", "--steps=all", "--step=3"], "--step and --steps exclude each other"),
        (["--run=r", "--steps=all"], "r is not the folder of a run"),
        (["--images=i", "--damsm=d"], "--damsm needs --run"),
        (["--run=r", "--damsm_trunk_weights=w"], "without --damsm"),
        (["--images=i", "--protocol=stackgan_is"], "--inception=stackgan_birds"),
        (["--images=i", "--is_weights=w"], "--is_weights without --is_inception"),
    ],
)
def test_flags_that_contradict_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        call(*arguments)


def test_checkpoints_that_are_not_there(tmp_path):
    settings.save(TrainConfig(), tmp_path)
    Vocabulary(["<end>", "bird"]).save(tmp_path / "vocabulary.json")
    for steps, message in (
        ("all", "has no checkpoint"),
        ("1,x", "not numbers"),
        ("1,2", r"no checkpoint of 1, 2 \(it has none\)"),
    ):
        with pytest.raises(UserError, match=message):
            call(f"--run={tmp_path}", f"--steps={steps}")


def test_a_model_file_has_one_step_and_no_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # its results go to samples/NAME here
    words = Vocabulary(["<end>", "bird"])
    model = model_file.ModelFile(tmp_path / "x.safetensors", "x", TrainConfig(), words, 5, "ema", {})
    model_file.write(model, {"text_encoder/embedding/embeddings": np.zeros((2, 300), np.float32)})
    with pytest.raises(UserError, match="--run=x is a model file, without checkpoints"):
        call(f"--run={model.path}", "--steps=all")
    with pytest.raises(UserError, match="its data set is not known here. Fix: --data=RECORDS"):
        call(f"--run={model.path}")


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
    assert (
        call(
            f"--images={folders / 'a'}",
            f"--reference={folders / 'a'}",
            f"--output={out}",
            "--compare_to_paper",
            "--format=md",
            *network,
        )
        == 0
    )
    report = json.loads(out.read_text())
    assert abs(report["fid"]) < 1e-6 and report["precision"] == 1 and "is" not in report
    assert report["network"]["weights_sha256"] and report["protocol"]["name"] == "ffgan" and report["seed"] == 2020
    printed = capsys.readouterr()
    assert "| FF-GAN (paper) | 4.48 ± 0.04 |" in printed.out and "does not compare" in printed.out
    assert "took" in printed.err and "no class head" in printed.out

    assert (
        call(
            f"--images={folders / 'mixed'}",
            f"--reference={folders / 'a'}",
            f"--output={out}",
            *network,
            "--precision=bfloat16",
        )
        == 0
    )
    mixed = json.loads(out.read_text().splitlines()[1])
    assert mixed["fid"] > 0 and mixed["count"] == 6 and any("2 sizes" in note for note in mixed["notes"])
    assert mixed["network"]["dtype"] == "bfloat16" and any("in bfloat16" in note for note in mixed["notes"])


@pytest.fixture
def run(tiny_records, tmp_path):
    """Two checkpoints of an untrained generator, other weights in each."""
    import tensorflow as tf

    from ffgan_tf.config import TrainConfig
    from ffgan_tf.data.captions import Vocabulary
    from ffgan_tf.models import build
    from ffgan_tf.run import settings
    from ffgan_tf.run.checkpoints import Checkpoints

    config = TrainConfig.of(data=str(tiny_records), image_size=64, ngf=4, z_dim=5, c_dim=6, dense_depth=1)
    folder, vocabulary = tmp_path / "run", Vocabulary.load(tiny_records / "vocabulary.json")
    folder.mkdir()
    settings.save(config, folder)
    vocabulary.save(folder / "vocabulary.json")
    encoder = build.build_text_encoder(len(vocabulary), 1.0, 1)
    for step in (5, 10):
        tf.keras.utils.set_random_seed(step)
        checkpoint = tf.train.Checkpoint(ema=build.build_generator(config.model), text_encoder=encoder)
        Checkpoints(folder / "checkpoints").save(checkpoint, step)
    return folder


@pytest.mark.slow
def test_the_curve_of_a_run_with_r_precision(run, tiny_records, tmp_path, monkeypatch, capsys):
    """Its line at each step is what --step gives for that step alone."""
    from colour_network import ColourNetwork
    from damsm_files import make_damsm
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from ffgan_tf.data.captions import Vocabulary
    from ffgan_tf.evaluation import retrieval
    from ffgan_tf.evaluation.inception import networks

    monkeypatch.setattr(networks, "load_network", lambda *_: ColourNetwork())
    damsm = make_damsm(tmp_path / "damsm", Vocabulary.load(tiny_records / "vocabulary.json"))
    monkeypatch.setattr(retrieval, "WRONG", 40)  # all that eight test images have
    flags = [
        f"--run={run}",
        "--num_samples=12",
        "--batch=4",
        f"--cache_dir={tmp_path / 'cache'}",
        f"--damsm={damsm}",
    ]
    assert call(*flags, "--steps=all", "--compare_to_paper") == 0
    printed = capsys.readouterr().out
    assert call(*flags, "--step=5") == 0
    *curve, alone = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in curve] == [5, 10]
    for score in ("fid", "kid", "precision", "coverage", "r_precision", "damsm"):
        assert curve[0][score] == alone[score], score
    assert curve[0]["fid"] != curve[1]["fid"]
    row = next(line.split() for line in printed.splitlines() if line.startswith("10  "))
    assert row[:3] == ["10", "12", f"{curve[1]['fid']:.3f}"] and "step 10, the last" in printed
    assert "damsm text_encoder_sha256" in printed and "R-precision" in printed
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Tensors("evaluation/r_precision")] == [5, 10, 5]

    with pytest.raises(UserError, match=r"no checkpoint of 7 \(it has 5, 10\)"):
        call(*flags, "--steps=5,7")


@pytest.mark.slow
def test_another_networks_weights_are_refused(folders, weights):
    with pytest.raises(UserError, match=weights.name):
        call(f"--images={folders / 'a'}", "--inception=fid2015", f"--inception_weights={weights}")
