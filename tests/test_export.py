"""`python -m ffgan_tf.export`, and the commands on what it makes: files, shipped names, addresses."""

import hashlib
import http.server
import json
import shutil
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from command_flags import call_main
from PIL import Image

import ffgan_tf
from ffgan_tf import export, sample, visualize
from ffgan_tf.config import TrainConfig
from ffgan_tf.run import source
from ffgan_tf.training import start
from ffgan_tf.utils.image_files import read_settings

TEXT = "a red bird number 3"


@pytest.fixture(scope="module")
def command():
    """Runs a command's main in this process, with flags of its own."""

    return call_main


@pytest.fixture(scope="module")
def exported(tiny_run, command, tmp_path_factory):
    """A model file of the tiny run."""
    out = tmp_path_factory.mktemp("exported") / "tiny-birds.safetensors"
    assert command(export, f"--run={tiny_run}", f"--out={out}", "--format=safetensors", "--note=Only a test.") == 0
    return out


@pytest.fixture
def shipped(exported, tmp_path, monkeypatch):
    """The file as a model that comes with the package, and an empty working folder."""
    monkeypatch.setattr(source, "SHIPPED", tmp_path / "pretrained")
    (tmp_path / "pretrained").mkdir()
    shutil.copy(exported, tmp_path / "pretrained" / "tiny-birds.safetensors")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def png(path):
    return np.asarray(Image.open(path))


def test_a_file_says_where_it_comes_from(exported, tiny_run, tiny_records):
    model = ffgan_tf.load(exported)
    meta = json.loads((tiny_run / "checkpoints" / "step-00000030" / "meta.json").read_text())
    assert model.provenance["checkpoint"] == meta["files"] and model.provenance["run"] == "tiny"
    assert model.provenance["data"]["splits"]["train"] == {"images": 24, "captions": 240, "classes": 4}
    assert model.provenance["data"]["name"] == "tiny" and model.provenance["notes"] == ["Only a test."]
    assert (model.name, model.step) == ("tiny-birds", 30)
    # No path of this machine leaves it.
    assert model.config.data == "records" and str(tiny_records.parent).encode() not in exported.read_bytes()
    assert model.config.replace(data=str(tiny_records)) == ffgan_tf.load(tiny_run).config


def test_figures_of_this_step_come_along(tiny_run, command, tmp_path):
    run = shutil.copytree(tiny_run, tmp_path / "run")
    report = {"kind": "evaluation", "step": 30, "fid": 3.0, "count": 8, "protocol": {"name": "ffgan"}, "seed": 1}
    lines = [
        {**report, "fid": 9.0},  # measured again since
        {**report, "step": 20},
        {**report, "pictures": "/secret/place at step 30"},
        {"measure": "colour_agreement", "step": 30, "colour_agreement": 0.5, "run": "/secret/run", "count": 8},
    ]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines) + '{"step": 30, "fid"')
    command(export, f"--run={run}", f"--out={tmp_path / 'out'}", "--format=safetensors")
    found = ffgan_tf.load(tmp_path / "out").provenance["figures"]
    assert found == [report, {"measure": "colour_agreement", "step": 30, "colour_agreement": 0.5, "count": 8}]
    assert b"secret" not in (tmp_path / "out" / "model.safetensors").read_bytes()


def test_a_folder_and_a_file_of_a_file(exported, command, tmp_path):
    """--out without the ending is a folder, which loads by its name; a file can be exported again, halved."""
    options = ("--format=safetensors", "--dtype=float16", "--dataset=rendered", "--license=mit")
    command(export, f"--run={exported}", f"--out={tmp_path / 'half'}", *options)
    half = ffgan_tf.load(tmp_path / "half")
    assert half.name == "half" and half.path == tmp_path / "half" / "model.safetensors"
    known = ffgan_tf.load(exported).provenance
    assert half.provenance == {**known, "license": "mit", "data": {**known["data"], "name": "rendered"}}
    assert 'datasets: ["rendered"]' in (tmp_path / "half" / "README.md").read_text(encoding="utf-8")
    apart = np.abs(half.generate(TEXT).astype(int) - ffgan_tf.load(exported).generate(TEXT))
    # Weights to eleven bits: a few levels of 256 in images whose contrast the test has raised.
    assert 0 < apart.mean() < 2
    assert half.path.stat().st_size < 0.6 * exported.stat().st_size


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--out={exported}"], "is there already"),
        (["--out={tmp}/a.safetensors", "--name=a/b"], "--name=a/b: letters"),
        (["--out={tmp}/a.safetensors", "--step=31"], "no checkpoint of that step"),
        (["--out={exported}/x/a.safetensors"], "cannot be written"),
    ],
)
def test_what_export_refuses(arguments, message, exported, tiny_run, command, tmp_path):
    filled = [argument.format(exported=exported, tmp=tmp_path) for argument in arguments]
    with pytest.raises(ffgan_tf.UserError, match=message):
        command(export, f"--run={tiny_run}", "--format=safetensors", *filled)
    assert not list(tmp_path.iterdir())


# --- names and addresses


def test_sample_of_a_shipped_model(shipped, exported, command, capsys):
    assert command(sample, "--run=tiny-birds", f"--text={TEXT}", "--count=2") == 0
    images = ffgan_tf.load(exported).generate(TEXT, count=2)
    for number in (1, 2):
        np.testing.assert_array_equal(
            png(shipped / "samples" / "tiny-birds" / f"01-a-red-bird-number-3-{number}.png"), images[number - 1]
        )
    assert "2 images of step 30 (EMA) in samples/tiny-birds" in capsys.readouterr().out


def test_what_lies_here_wins_over_a_shipped_name(shipped, tiny_run, exported):
    """As with recipes: a user's own run does not change its meaning because a later version ships that name."""
    assert ffgan_tf.load("tiny-birds").folder is None
    shutil.copytree(tiny_run, "tiny-birds")
    assert str(ffgan_tf.load("tiny-birds").folder) == "tiny-birds"
    shutil.rmtree("tiny-birds")
    (shipped / "tiny-birds").mkdir()  # a folder that is no run, too: an error, not another model than it seems
    with pytest.raises(ffgan_tf.UserError, match="config.json is missing"):
        ffgan_tf.load("tiny-birds")


def test_a_name_that_is_not_there_lists_those_that_are(shipped):
    with pytest.raises(ffgan_tf.UserError, match=r"no shipped model has that name \(shipped are tiny-birds\)"):
        ffgan_tf.load("tiny-bird")
    for path in ("runs/tiny-birds", "./x"):
        with pytest.raises(ffgan_tf.UserError, match="config.json is missing: .* is not the folder of a run"):
            ffgan_tf.load(path)
    with pytest.raises(ffgan_tf.UserError, match=r"birds\.safetensors: no such file"):
        ffgan_tf.load("birds.safetensors")


def test_every_file_of_the_package_loads_and_has_a_card():
    """Whatever is shipped in this checkout."""
    for name, path in source.shipped_models().items():
        limit = 25_000_000 if name.startswith("flowers") else 8_000_000
        assert source.find(name).name == name and path.stat().st_size <= limit
        assert path.with_suffix(".md").is_file()


@pytest.mark.slow
def test_the_shipped_birds_have_the_colours_of_their_sentences():
    """In the middle of the images, where the birds are: the words' own channel is the brightest, for eight noises."""
    model = ffgan_tf.load("birds-demo")
    red, blue, green = (
        model.generate(f"a {word} bird with a {word} belly and {word} wings", count=8, seed=1)[:, 16:48, 16:48]
        .mean((0, 1, 2))
        .tolist()
        for word in ("red", "blue", "green")
    )
    assert red[0] > max(red[1:]) + 20 and blue[2] > max(blue[:2]) + 10 and green[1] > max(green[0], green[2]) + 5


@pytest.mark.slow
def test_the_shipped_flowers_have_the_colours_of_their_sentences():
    """In the middle of the images, for eight noises. White is bright, but not in any one channel."""
    model = ffgan_tf.load("flowers-64")
    red, yellow, purple, white = (
        model.generate(f"this flower has {word} petals", count=8, seed=1)[:, 16:48, 16:48].mean((0, 1, 2)).tolist()
        for word in ("red", "yellow", "purple", "white")
    )
    assert red[0] > max(red[1:]) + 40 and min(yellow[:2]) > yellow[2] + 40 and purple[2] > purple[1] + 20
    assert min(white) > max(min(red), min(yellow), min(purple)) + 20


def test_by_address(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("FFGAN_TF_CACHE", str(tmp_path))
    digest = hashlib.sha256(exported.read_bytes()).hexdigest()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(exported.parent))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *arguments: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{exported.name}"
        model = ffgan_tf.load(url, sha256=digest)
        server.shutdown()
    np.testing.assert_array_equal(model.generate(TEXT), ffgan_tf.load(exported, sha256=digest).generate(TEXT))
    assert ffgan_tf.load(f"{url}#sha256={digest}").name == "tiny-birds"  # from the cache: the server is gone
    with pytest.raises(ffgan_tf.UserError, match="its SHA-256 is"):
        ffgan_tf.load(exported, sha256="0" * 64)


# --- other commands


@pytest.mark.slow
def test_sheets_of_files(shipped, exported, tiny_run, tiny_records, command):
    command(visualize, "attention", "--run=tiny-birds", f"--text={TEXT}")
    [sheet] = (shipped / "samples" / "tiny-birds" / "attention").iterdir()
    assert read_settings(sheet)["run"] == "tiny-birds"
    models = (f"--model=a={exported}", "--model=tiny-birds", f"--model=run={tiny_run}")
    command(visualize, "compare", *models, f"--text={TEXT}", "--out=compared")
    rows = png(shipped / "compared" / "compare.png")
    assert read_settings(shipped / "compared" / "compare.png")["model"]["a"] == "tiny-birds.safetensors"
    assert rows.shape[0] > 3 * 64
    with pytest.raises(ffgan_tf.UserError, match="--run=tiny-birds is a model file: its data set is not known"):
        command(visualize, "attention", "--run=tiny-birds", "--captions=test:2")
    command(visualize, "variety", "--run=tiny-birds", "--captions=test:1", f"--data={tiny_records}", "--out=variety")
    assert len(list((shipped / "variety").iterdir())) == 1


def test_a_file_is_no_run_to_train(exported, monkeypatch):
    monkeypatch.setattr(start.flags, "FLAGS", SimpleNamespace(run=str(exported), allow_config_change=False))
    with pytest.raises(ffgan_tf.UserError, match="A model file cannot be trained on"):
        with start.opened_run(TrainConfig, "runs/birds", "experiments/demo.cfg"):
            pass
