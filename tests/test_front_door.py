"""The front door: `import ffgan_tf` alone, its names, and a run that draws sentences."""

import gc
import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from command_flags import own_flags
from PIL import Image

import ffgan_tf
from ffgan_tf import compat, sample
from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import MAX_WORDS, Vocabulary
from ffgan_tf.models import blocks, build
from ffgan_tf.models.generator import Generator
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.sampler import load_run

ROOT = Path(__file__).parents[1]
CONFIG = TrainConfig.of(image_size=64, ngf=4, z_dim=10, c_dim=12, dense_depth=1, dense_growth=8, pyramid_reduction=4)
WORDS = ["<end>", "a", "bird", "blue", "red", "small", "wing", "with", "yellow"]
STEP = 30


def strong(seed: int) -> Generator:
    """A generator whose images are far from grey, and in which words show."""
    tf.keras.utils.set_random_seed(seed)
    generator = build.build_generator(CONFIG.model)
    for variable in generator.variables:
        if "to_image" in variable.name or "project" in variable.name:
            variable.assign(8 * variable)
    return generator


@pytest.fixture(scope="module")
def networks() -> dict:
    """What the run's checkpoint holds, by its names there."""
    return {"generator": strong(1), "ema": strong(2), "text_encoder": build.build_text_encoder(len(WORDS), 1.0, 1)}


@pytest.fixture(scope="module")
def run(tmp_path_factory, networks) -> Path:
    """A run's folder as training leaves it, but for the discriminator."""
    folder = tmp_path_factory.mktemp("run")
    settings.save(CONFIG, folder)
    Vocabulary(WORDS).save(folder / "vocabulary.json")
    Checkpoints(folder / "checkpoints").save(tf.train.Checkpoint(**networks), STEP)
    return folder


@pytest.fixture(scope="module")
def model(run) -> ffgan_tf.TextToImage:
    return ffgan_tf.load(run)


def python(code: str) -> str:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the import


def test_the_import_is_light_and_fast():
    code = (
        "import os, sys, time; began = time.process_time(); before = dict(os.environ); import ffgan_tf; "
        "took = time.process_time() - began; os.environ.pop('TF_USE_LEGACY_KERAS', 0); "
        "before.pop('TF_USE_LEGACY_KERAS', 0); assert dict(os.environ) == before; "
        "print(took, *(name for name in ('tensorflow', 'numpy', 'absl', 'PIL') if name in sys.modules))"
    )
    took, *loaded = python(code).split()
    assert not loaded
    assert float(took) < 0.1


def test_commands_tell_mistakes_before_tensorflow_loads(run, tmp_path):
    (tmp_path / "sentences.txt").write_text("a bird\n\nzebra\n", encoding="utf-8")
    code = (
        "import sys; from absl import flags; from ffgan_tf import sample; sample.define_flags(); "
        f"flags.FLAGS(['sample', '--run={run}', '--text_file={tmp_path}/sentences.txt'])\n"
        "try: sample.main(['sample'])\n"
        "except sample.UserError as error: print('tensorflow' in sys.modules, error)"
    )
    loaded, message = python(code).split(" ", 1)
    assert loaded == "False" and f"--text_file={tmp_path}/sentences.txt, line 3: none of the words" in message


def test_every_public_name_resolves_and_explains_itself():
    assert set(ffgan_tf.__all__) == set(ffgan_tf._MODULES) and set(ffgan_tf.__all__) <= set(dir(ffgan_tf))
    for name in ffgan_tf.__all__:
        value = getattr(ffgan_tf, name)
        assert value.__name__ == name and value.__module__.startswith("ffgan_tf.")
        assert len(value.__doc__) > 70, name
    for name in ("Generator", "TrainConfig", "load", "fid", "UserError"):
        assert name in ffgan_tf.__all__
    with pytest.raises(AttributeError, match="no attribute 'Genrator'"):
        _ = ffgan_tf.Genrator


@pytest.mark.parametrize("room", sorted(path.parent for path in (ROOT / "ffgan_tf").glob("*/**/__init__.py")))
def test_every_room_names_what_is_public(room):
    name = ".".join(room.relative_to(ROOT).parts)
    public = importlib.import_module(name).__all__
    assert public and len(set(public)) == len(public)
    for noun in public:  # modules, found without importing them; the settings' classes are imported already
        assert noun in vars(sys.modules[name]) or importlib.util.find_spec(f"{name}.{noun}"), noun


def test_which_tensorflow_is_found_without_importing_it():
    assert ffgan_tf._tensorflow_version() == tuple(int(part) for part in tf.__version__.split(".")[:2])


def test_keras_3_is_refused_with_what_to_do():
    compat.require_keras_2(tf.keras)
    with pytest.raises(ffgan_tf.UserError, match="import ffgan_tf first, or set TF_USE_LEGACY_KERAS=1"):
        compat.require_keras_2(SimpleNamespace(__version__="3.15.1"))


# --- images


def test_the_same_bytes_as_the_command(run, model, tmp_path, capsys):
    sentences = ["A small, yellow bird", "a red zebra"]
    with own_flags() as values:
        sample.define_flags()
        texts = [f"--text={sentence}" for sentence in sentences]
        values(["sample", f"--run={run}", "--count=3", "--seed=7", f"--out={tmp_path}", "--truncation=1.5", *texts])
        with warnings.catch_warnings():
            warnings.simplefilter("error", ffgan_tf.UnknownWords)  # the command prints them, once
            assert sample.main(["sample"]) == 0
    assert capsys.readouterr().err == "warning: not in the vocabulary, left out of 'a red zebra': zebra\n"
    with pytest.warns(ffgan_tf.UnknownWords, match="'a red zebra': zebra"):
        images = model.generate(sentences, count=3, seed=7, truncation=1.5)
    assert images.shape == (6, 64, 64, 3) and images.dtype == np.uint8 and images.std() > 20
    written = sorted(path for path in tmp_path.glob("*.png") if path.name != "grid.png")
    assert [path.name[:9] for path in written] == ["01-a-smal"] * 3 + ["02-a-red-"] * 3
    for path, image in zip(written, images):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    # The n-th image of both sentences has the same noise; a sentence alone makes the same images.
    np.testing.assert_array_equal(model.generate(sentences[0], 3, 7, 1.5), images[:3])


def test_the_checkpoints_weights_are_drawn_from(run, model, networks):
    for own, saved in ((model.generator, networks["ema"]), (model.text_encoder, networks["text_encoder"])):
        assert len(own.variables) == len(saved.variables)
        for one, other in zip(own.variables, saved.variables):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), one.name)
    last = ffgan_tf.load(run, STEP, ema=False)
    for one, other in zip(last.generator.variables, networks["generator"].variables):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.name)
    assert (model.step, model.image_size, model.folder, model.ema, last.ema) == (STEP, 64, run, True, False)
    assert model.config == CONFIG and model.vocabulary.words == WORDS


def test_blank_weights_are_zeros_inside_alone():
    with blocks.blank_weights():
        inside = blocks.Orthogonal()((3, 3, 4, 8))
    assert not np.any(inside) and np.any(blocks.Orthogonal()((3, 3, 4, 8)))


def test_every_bit_of_a_seed_matters(model, networks):
    def reference(seed):
        noise = tf.random.stateless_normal([22], tf.constant([seed, 0], tf.int64))[None]
        ids, length = tf.constant([[1, 2]]), tf.constant([2])
        sentence, words = networks["text_encoder"](ids, length)
        mask = tf.ones([1, 2], tf.bool)
        return networks["ema"](sentence, words, mask, noise[:, :10], noise[:, 10:]).image[0].numpy()

    seeds = [5, 5 + 2**31, 5 + 2**32, 5 + 2**62, 2**63 - 1]
    images = model.generate("a bird", seeds=seeds).astype(int)
    for i, seed in enumerate(seeds):
        assert np.abs(images[i] - np.clip((reference(seed) + 1) * 127.5, 0, 255)).max() < 0.6
        np.testing.assert_array_equal(model.generate("a bird", seed=seed)[0], images[i])
        assert all(np.abs(images[i] - images[j]).mean() > 1 for j in range(i))
    # Seeds of before, two 32-bit words, draw what they drew.
    for pair in ([5, 0], [2**31 - 1, 7]):
        was = tf.random.stateless_normal([22], tf.constant(pair, tf.int32))
        np.testing.assert_array_equal(was, tf.random.stateless_normal([22], tf.constant(pair, tf.int64)))


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"sentences": "zebra"}, ffgan_tf.UserError, "none of the words of 'zebra'"),
        ({"sentences": ["a bird", ""]}, ffgan_tf.UserError, "none of the words of ''"),
        ({"sentences": []}, ffgan_tf.UserError, "no sentence"),
        ({"sentences": ["a bird", 3]}, TypeError, "a sentence is a str"),
        ({"count": 0}, ffgan_tf.UserError, "count 0"),
        ({"seed": -1}, ffgan_tf.UserError, "seed -1"),
        ({"seed": 2**63}, ffgan_tf.UserError, f"seed {2**63}"),
        ({"seed": 1.5}, TypeError, "a seed is an int"),
        ({"seeds": []}, ffgan_tf.UserError, "no seed"),
        ({"truncation": float("nan")}, ffgan_tf.UserError, "truncation nan"),
        ({"truncation": float("inf")}, ffgan_tf.UserError, "truncation inf"),
        ({"truncation": -0.1}, ffgan_tf.UserError, "truncation -0.1"),
    ],
)
def test_what_is_refused(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.generate(**{"sentences": "a bird", **arguments})


def test_how_a_sentence_is_read(model):
    reading = model.read("A yellow-Zebra, WING?")
    assert reading.words == ("a", "yellow", "wing") and reading.left_out == ("zebra",) and reading.cut == ()
    assert reading.ids == (1, 8, 6) and [WORDS[i] for i in reading.ids] == list(reading.words)
    assert "zebra" in reading.warning and model.read("a bird").warning is None
    long = model.read("small " * MAX_WORDS + "red bird")
    assert long.words == ("small",) * MAX_WORDS and long.cut == ("red", "bird")
    np.testing.assert_array_equal(model.generate(long.sentence), model.generate("small " * MAX_WORDS))


def test_an_explanation_is_of_the_image(model):
    with pytest.warns(ffgan_tf.UnknownWords):
        actual = model.explain("a red zebra with wing", seed=3, number=2)
    assert actual.reading.words == ("a", "red", "with", "wing")
    with pytest.warns(ffgan_tf.UnknownWords):
        np.testing.assert_array_equal(actual.image, model.generate("a red zebra with wing", count=3, seed=3)[2])
    assert [a.shape for a in actual.attention] == [(16, 16, 4), (32, 32, 4)]
    for attention in actual.attention:
        assert attention.min() >= 0 and np.ptp(attention) > 0.01
        np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-5)  # nothing is left for the padding
    assert {k: v.shape for k, v in actual.features.items()} == {
        "F1": (16, 16, 4), "F2f": (32, 32, 4), "F3f": (64, 64, 4)
    }  # fmt: skip
    # Eq. 10: the image is one 3×3 convolution of F_3f, through tanh.
    again = tf.tanh(model.generator.to_image(actual.features["F3f"][None]))[0].numpy()
    assert np.abs((again + 1) * 127.5 - actual.image).max() < 0.6


# --- loading


def test_errors_of_loading(run, tmp_path):
    for folder, options, message in (
        (tmp_path, {}, "config.json is missing"),
        (run, {"step": 31}, "no checkpoint of that step \\(it has 30\\)"),
        (run, {"step": -1}, "no checkpoint of .* is on record as the best"),
        (run, {"batch": 0}, "batch 0"),
    ):
        with pytest.raises(ffgan_tf.UserError, match=message):
            ffgan_tf.load(folder, **options)
    settings.save(CONFIG, tmp_path)
    with pytest.raises(ffgan_tf.UserError, match="vocabulary is missing"):
        ffgan_tf.load(tmp_path)
    Vocabulary(WORDS).save(tmp_path / "vocabulary.json")
    with pytest.raises(ffgan_tf.UserError, match="no checkpoint there yet"):
        ffgan_tf.load(tmp_path)


def test_one_graph_serves_every_request(model):
    for count in (1, 4, 6):
        model.generate("a bird", count=count)
    assert model.sampler._images.experimental_get_tracing_count() == 1


def test_nothing_stays_of_a_run_that_is_gone(run):
    """Each load used to leave 30 MB: graphs that TensorFlow's table of gradients held for ever."""

    def graphs():
        gc.collect()
        return sum(isinstance(thing, tf.__internal__.FuncGraph) for thing in gc.get_objects())

    def use():
        loaded = load_run(run, batch=2)
        return loaded.sampler([[1, 2]], seed=1)

    use()
    before = graphs()
    use()
    assert graphs() == before
