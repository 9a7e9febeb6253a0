"""The SavedModel where nothing of this project can be imported: the images of `generate`, and what else it answers."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import ffgan_tf
from ffgan_tf.exporting.saved_model import write_saved_model
from ffgan_tf.run.sampler import load_run

SENTENCES = ["a red bird number 3", "A BLUE zebra-bird with a wing!", "a red bird number 3", "zebra"]
NUMBERS, SEEDS, TRUNCATION = [0, 3, 1, 0], [1, 2**40 + 5, 1, 7], [0.0, 0.0, 0.7, 0.0]
OTHER = os.environ.get("FFGAN_OTHER_PYTHON", "")  # an interpreter with the other TensorFlow

# What a user without this project writes; prints nothing but its outputs, as an .npz.
ELSEWHERE = """
import importlib, io, json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
for name in ("ffgan_tf", "tf_keras"):
    sys.modules[name] = None  # an import of it fails
import numpy as np
import tensorflow as tf
try:
    importlib.import_module("ffgan_tf")
    raise SystemExit("ffgan_tf could be imported")
except ImportError:
    pass
folder, rows = sys.argv[1], json.loads(sys.argv[2])
model = tf.saved_model.load(folder)
inputs = {
    "text": tf.constant(rows["text"]),
    "number": tf.constant(rows["number"], tf.int64),
    "seed": tf.constant(rows["seed"], tf.int64),
    "truncation": tf.constant(rows["truncation"], tf.float32),
}
found = {f"{name}/{key}": value.numpy() for name in ("serving_default", "png", "attention")
         for key, value in model.signatures[name](**inputs).items()}
found["version"] = np.array(tf.__version__)
for name, signature in model.signatures.items():
    specs = {"in": signature.structured_input_signature[1], "out": signature.structured_outputs}
    told = {side: {key: [spec.shape.as_list(), spec.dtype.name] for key, spec in of.items()}
            for side, of in specs.items()}
    found[f"specs/{name}"] = np.array(json.dumps(told))
found["images_one_row"] = model.signatures["serving_default"](**{k: v[:1] for k, v in inputs.items()})["images"].numpy()
buffer = io.BytesIO()
np.savez(buffer, **{name: value if value.dtype != object else value.astype("S") for name, value in found.items()})
sys.stdout.buffer.write(buffer.getvalue())
"""


def answers(folder, python=sys.executable):
    rows = {"text": SENTENCES, "number": NUMBERS, "seed": SEEDS, "truncation": TRUNCATION}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TF_USE"))}
    command = [python, "-c", ELSEWHERE, str(folder), json.dumps(rows)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode()
    return dict(np.load(io.BytesIO(done.stdout)))


@pytest.fixture(scope="module")
def folder(tiny_run, tmp_path_factory):
    """Moved since it was written: it names no path of its making."""
    made, path = tmp_path_factory.mktemp("made") / "1", tmp_path_factory.mktemp("saved") / "1"
    write_saved_model(load_run(tiny_run, precision="float32"), made)
    return made.rename(path)


@pytest.fixture(scope="module")
def found(folder):
    return answers(folder)


@pytest.fixture(scope="module")
def model(tiny_run):
    return ffgan_tf.load(tiny_run)


def generated(model):
    """The images of `generate` for the rows that have a known word."""
    with pytest.warns(ffgan_tf.UnknownWords):
        return [
            model.generate(text, count=number + 1, seed=seed, truncation=bound)[number]
            for text, number, seed, bound in list(zip(SENTENCES, NUMBERS, SEEDS, TRUNCATION))[:3]
        ]


def test_the_images_are_generate_s(found, model):
    images, wanted = found["serving_default/images"], generated(model)
    assert images.shape == (4, 64, 64, 3) and images.dtype == np.uint8
    for image, want in zip(images, wanted):
        assert np.abs(image.astype(int) - want).max() <= 1  # another batch size may round otherwise
    assert np.abs(images[0].astype(int) - images[2]).mean() > 1  # number and truncation matter
    np.testing.assert_array_equal(found["serving_default/known_words"], [5, 6, 5, 0])
    assert np.abs(found["images_one_row"][0].astype(int) - images[0]).max() <= 1


def test_the_pngs_are_the_images(found):
    for png, image in zip(found["png/png_bytes"], found["serving_default/images"]):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), image)


def test_the_maps_are_explain_s(found, model):
    np.testing.assert_array_equal(found["attention/images"], found["serving_default/images"])
    with pytest.warns(ffgan_tf.UnknownWords):
        wanted = model.explain(SENTENCES[1], SEEDS[1], NUMBERS[1])
    assert [word.decode() for word in found["attention/words"][1][:6]] == list(wanted.reading.words)
    assert not any(found["attention/words"][1][6:])
    for name, maps in zip(("attention_1", "attention_2"), wanted.attention):
        np.testing.assert_allclose(found[f"attention/{name}"][1][..., :6], maps, atol=1e-4)
        assert not found[f"attention/{name}"][1][..., 6:].any()


def test_the_rows_are_those_of_tensorflow_serving(found):
    """One common first dimension for all inputs and outputs; byte outputs end in _bytes."""
    specs = {name.removeprefix("specs/"): json.loads(str(found[name])) for name in found if name.startswith("specs/")}
    assert set(specs) == {"serving_default", "png", "attention"}
    for name, signature in specs.items():
        assert set(signature["in"]) == {"text", "number", "seed", "truncation"}, name
        assert all(shape == [None] for shape, _ in signature["in"].values()), name
        assert all(shape[0] is None for shape, _ in signature["out"].values()), name
        for key, (_, dtype) in signature["out"].items():
            assert key.endswith("_bytes") == (key == "png_bytes"), key
            assert (dtype == "string") == (key in ("png_bytes", "words")), key


def test_nothing_lies_beside_it(folder, model):
    """The vocabulary is in the graph; the variables are the networks' and no optimiser's."""
    assert not list((folder / "assets").glob("*"))
    variables = [*model.generator.variables, *model.text_encoder.variables]
    numbers = sum(variable.shape.num_elements() for variable in variables)
    size = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    assert 4 * numbers < size < 4 * numbers + 100_000


@pytest.mark.slow
@pytest.mark.skipif(not OTHER, reason="FFGAN_OTHER_PYTHON names no interpreter with the other TensorFlow")
def test_the_other_tensorflow_reads_it(folder, found):
    """TensorFlow 2.15 reads what 2.21 wrote, and the other way round: the same images, to one level."""
    other = answers(folder, OTHER)
    assert str(other["version"]) != tf.__version__
    apart = np.abs(other["serving_default/images"].astype(int) - found["serving_default/images"])
    assert apart.max() <= 1
    np.testing.assert_array_equal(other["serving_default/known_words"], found["serving_default/known_words"])
