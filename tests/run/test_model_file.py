"""Model files: what is written is what is read, nothing else is taken for one, and every user of a run takes them."""

import json
import shutil
import struct

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import ffgan_tf
from ffgan_tf.models import blocks, build
from ffgan_tf.run import model_file, settings
from ffgan_tf.run.model_weights import tensors_of
from ffgan_tf.run.sampler import load_run
from ffgan_tf.run.source import find

SENTENCES = ["a red bird number 3", "a blue bird with a wing"]


@pytest.fixture(scope="module")
def loaded(tiny_run):
    return load_run(tiny_run, batch=4)


def write(loaded, path, dtype="float32", tensors=None, **changes):
    model = model_file.ModelFile(
        path, "tiny", loaded.config, loaded.vocabulary, loaded.step, "ema", {"software": "test", "rate": 0.1}
    )
    model_file.write(model._replace(**changes), tensors or tensors_of(loaded.generator, loaded.text_encoder), dtype)
    return path


@pytest.fixture(scope="module")
def file(loaded, tmp_path_factory):
    return write(loaded, tmp_path_factory.mktemp("files") / "birds.safetensors")


@pytest.fixture
def copy(file, tmp_path):
    return shutil.copy(file, tmp_path / "birds.safetensors")


def test_a_file_is_its_run(tiny_run, file):
    run, taken = ffgan_tf.load(tiny_run), ffgan_tf.load(file)
    np.testing.assert_array_equal(taken.generate(SENTENCES, count=3, seed=5), run.generate(SENTENCES, count=3, seed=5))
    assert (taken.step, taken.ema, taken.name, taken.folder, taken.path) == (30, True, "tiny", None, file)
    assert taken.config == run.config and taken.vocabulary.words == run.vocabulary.words
    assert taken.provenance == {"software": "test", "rate": 0.1} and run.provenance == {} and run.name == "tiny"
    for own, other in zip(taken.generator.variables, run.generator.variables):
        np.testing.assert_array_equal(own.numpy(), other.numpy(), own.name)


def test_any_reader_of_safetensors_reads_it(file, loaded):
    """The format's own library, without this project: every variable by its name."""
    tensors = safetensors.numpy.load_file(file)
    assert len(tensors) == len(loaded.generator.variables) + len(loaded.text_encoder.variables)
    np.testing.assert_array_equal(tensors["generator/to_image/kernel"], loaded.generator.to_image.kernel.numpy())
    np.testing.assert_array_equal(
        tensors["text_encoder/backward/lstm_cell/kernel"], loaded.text_encoder.backward.cell.kernel.numpy()
    )
    with safetensors.safe_open(file, "np") as opened:
        about = json.loads(opened.metadata()["ffgan_tf"])
    assert about["settings"]["ngf"] == 4 and about["vocabulary"]["words"] == loaded.vocabulary.words


def test_equal_models_are_equal_bytes(loaded, file, tmp_path):
    assert write(loaded, tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_half_is_storage_alone(loaded, file, tmp_path):
    half = write(loaded, tmp_path / "half.safetensors", "float16")
    assert half.stat().st_size < 0.6 * file.stat().st_size
    stored, full = safetensors.numpy.load_file(half), safetensors.numpy.load_file(file)
    for name, value in full.items():
        wanted = np.float16 if value.ndim > 1 else np.float32
        assert stored[name].dtype == wanted
        np.testing.assert_array_equal(stored[name], value.astype(wanted), name)
    model = ffgan_tf.load(half)
    assert {variable.dtype for variable in model.generator.variables} == {tf.float32}
    np.testing.assert_array_equal(
        model.generator.to_image.kernel.numpy(), full["generator/to_image/kernel"].astype(np.float16).astype(np.float32)
    )


def test_a_file_computes_in_float32_whatever_its_run_did(loaded, tmp_path):
    """Looked at, not run: without a processor's help bfloat16 takes minutes."""
    file = write(loaded, tmp_path / "bf16.safetensors", config=loaded.config.replace(precision="mixed_bfloat16"))
    for precision, wanted in ((None, "float32"), ("mixed_bfloat16", "bfloat16")):
        model = ffgan_tf.load(file, precision=precision)
        assert model.generator.stage1.fc.compute_dtype == wanted and model.config.devices.precision == "mixed_bfloat16"
    with pytest.raises(ffgan_tf.UserError, match="precision 'float23': must be one of"):
        ffgan_tf.load(file, precision="float23")


@pytest.mark.parametrize("value, dtype, message", [(np.nan, "float32", "another --step"), (7e4, "float16", "float32")])
def test_weights_that_no_reader_could_use_are_not_written(loaded, tmp_path, value, dtype, message):
    tensors = tensors_of(loaded.generator, loaded.text_encoder)
    tensors["generator/to_image/kernel"] = np.full_like(tensors["generator/to_image/kernel"], value)
    with pytest.raises(ffgan_tf.UserError, match=f"generator/to_image/kernel: not finite.*{message}"):
        write(loaded, tmp_path / "x.safetensors", dtype, tensors)
    assert not list(tmp_path.iterdir())


def test_what_a_file_cannot_do(loaded, file, tmp_path):
    for options, message in (
        ({"step": 29}, "--step=29: .* holds step 30 alone"),
        ({"step": -1}, "--step=-1: .* holds step 30 alone"),
        ({"ema": False}, "holds the moving average .* alone. Fix: leave --noema out"),
    ):
        with pytest.raises(ffgan_tf.UserError, match=message):
            ffgan_tf.load(file, **options)
    assert ffgan_tf.load(file, step=30).step == 30
    last = write(loaded, tmp_path / "last.safetensors", weights="last")
    assert not ffgan_tf.load(last, ema=False).ema
    with pytest.raises(ffgan_tf.UserError, match="holds the last weights alone"):
        ffgan_tf.load(last)
    with pytest.raises(ffgan_tf.UserError, match="a model file, without checkpoints"):
        find(file).needs_folder("checkpoints")
    with pytest.raises(ffgan_tf.UserError, match="Fix: --data=RECORDS"):
        find(file).data("")
    assert find(file).data("records") == "records"


def test_every_changed_byte_is_noticed(copy):
    """A flipped bit anywhere: in the length, the header, the settings, the vocabulary, a weight."""
    content, rng = copy.read_bytes(), np.random.default_rng(0)
    header = 8 + int.from_bytes(content[:8], "little")
    places = {0, 3, 8, 9, header - 1, header, len(content) - 1}
    places |= {*rng.integers(8, header, 100), *rng.integers(header, len(content), 20)}
    blank = ord(" ")  # the header is padded with spaces: a change there alters nothing that is read
    unnoticed = []
    for place in sorted(int(place) for place in places if not (content[place] == blank and place >= header - 8)):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(0, 8))
        copy.write_bytes(changed)
        try:
            model_file.read(copy)
            unnoticed.append(place)
        except ffgan_tf.UserError as error:
            assert str(error).startswith(f"{copy}: ") and " Fix: " in str(error)
    assert not unnoticed


@pytest.mark.parametrize("length", [0, 7, 8, 200, -1])
def test_a_file_cut_short(copy, length):
    content = copy.read_bytes()
    copy.write_bytes(content[:length])
    for read in (model_file.read, ffgan_tf.load):
        with pytest.raises(ffgan_tf.UserError, match="not a whole model file"):
            read(copy)


def forged(path, about, tensors=None, size=0):
    """A file that safetensors itself reads, with `about` for our entry."""
    header = {"__metadata__": {"ffgan_tf": about if isinstance(about, str) else json.dumps(about)}}
    text = json.dumps(header | (tensors or {})).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


def test_files_that_are_none_of_ours(tmp_path, file):
    path = tmp_path / "x.safetensors"
    with safetensors.safe_open(file, "np") as opened:
        about = json.loads(opened.metadata()["ffgan_tf"])
    for change in (
        {"format": 2},
        {"step": -1},
        {"step": True},
        {"step": "30"},
        {"weights": "best"},
        {"name": "../../etc"},
        {"name": ""},
        {"name": 3},
        {"provenance": []},
        {"settings": {**about["settings"], "ngf": 8}},  # the digest in the settings
        {"settings": settings.to_json(ffgan_tf.DamsmConfig())},
        {"settings": settings.to_json(ffgan_tf.TrainConfig.of(ngf=3))},  # out of bounds
        {"settings": None},
        {"vocabulary": {**about["vocabulary"], "words": ["<end>", "a"]}},
        {"vocabulary": {**about["vocabulary"], "words": 3}},
    ):
        with pytest.raises(ffgan_tf.UserError, match=r"x\.safetensors: not a whole model file .* Fix: "):
            model_file.read_about(forged(path, about | change))
    for text in ("{}", "[]", "nonsense", "[" * 100_000, json.dumps({key: about[key] for key in ("format", "step")})):
        with pytest.raises(ffgan_tf.UserError, match="not a whole model file"):
            model_file.read_about(forged(path, text))
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)  # another project's
    with pytest.raises(ffgan_tf.UserError, match="not a whole model file"):
        ffgan_tf.load(path)
    double = {"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}
    with pytest.raises(ffgan_tf.UserError, match="tensors of type F64"):
        model_file.read_about(forged(path, about, double, 8))


def test_settings_beyond_the_tensors_are_refused_before_networks_are_built(loaded, tmp_path):
    """ngf=1024 in the settings of a file of ngf=4 would take gigabytes; so would a vocabulary of millions."""
    file = write(loaded, tmp_path / "wide.safetensors", config=loaded.config.replace(ngf=1024))
    with pytest.raises(ffgan_tf.UserError, match="its settings describe larger networks than it holds"):
        ffgan_tf.load(file)
    more = ffgan_tf.Vocabulary([*loaded.vocabulary.words, "zebra"])
    with pytest.raises(ffgan_tf.UserError, match="its text encoder is not of its vocabulary's size"):
        ffgan_tf.load(write(loaded, tmp_path / "words.safetensors", vocabulary=more))


def test_the_limit_of_blank_weights():
    config = ffgan_tf.ModelConfig(
        image_size=64, ngf=4, z_dim=10, c_dim=12, dense_depth=1, dense_growth=8, pyramid="none"
    )
    with blocks.blank_weights():
        kernels = sum(variable.shape.num_elements() for variable in build.build_generator(config).variables
                      if "kernel" in variable.name)  # fmt: skip
    with blocks.blank_weights(most=kernels):
        build.build_generator(config)
    with pytest.raises(blocks.TooManyWeights), blocks.blank_weights(most=kernels - 1):
        build.build_generator(config)


def test_tensors_of_other_networks(loaded, tmp_path):
    tensors = tensors_of(loaded.generator, loaded.text_encoder)
    for name, change, message in (
        ("missing", {"generator/stage2/up/conv/kernel": None}, "generator/stage2/up/conv/kernel is missing"),
        ("more", {"generator/more": np.zeros(3)}, "generator/more is none of the networks' weights"),
        ("shape", {"generator/stage1/fc_norm/gamma": np.zeros(3)}, r"gamma is \(3,\), not"),
    ):
        changed = {key: value for key, value in {**tensors, **change}.items() if value is not None}
        with pytest.raises(ffgan_tf.UserError, match=message):
            ffgan_tf.load(write(loaded, tmp_path / f"{name}.safetensors", tensors=changed))
