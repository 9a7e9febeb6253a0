"""A run that begins with another's weights: which it takes, which it leaves, and that it reads them once."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from families import SMALL, make_gan
from runs import logged, run, state

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.checks import check
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.convert import folder
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.run import model_file
from ffgan_tf.run import settings as run_settings
from ffgan_tf.run.encoder_files import weights_of
from ffgan_tf.run.model_file import ModelFile
from ffgan_tf.run.model_weights import tensors_of
from ffgan_tf.run.sampler import load_run
from ffgan_tf.training.doubling import GAIN
from ffgan_tf.training.gan_loop import train
from ffgan_tf.training.gan_setup import make_text_encoder
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.training.warm_start import MOVED, _judges, _random_texts, begin_with
from ffgan_tf.utils.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unoptimised_graphs")]
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
# Still steps: the rates are too small to move a float32.
STILL = {"batch": 4, "log_every": 1, "sample_every": 9, "checkpoint_every": 1, "seed": 7, "lr_g": 1e-30, "lr_d": 1e-30}


def config_of(records, **settings) -> TrainConfig:
    config = TrainConfig.of_given(**{**SMALL, **STILL, "data": str(records), "image_size": 64, "steps": 2, **settings})
    check(config)
    return config


@pytest.fixture(scope="module")
def first(tiny_records, tmp_path_factory):
    """A run at S = 64 of two steps, whose average is no longer its generator."""
    folder = tmp_path_factory.mktemp("first") / "run"
    config = config_of(tiny_records, lr_g=0.01, lr_d=0.01)
    run_settings.save(config, folder)
    assert train(config, folder) == 0
    return folder


def gan_of(begun, run=None, **settings) -> Gan:
    """A new run's networks, to begin with `begun`; the vocabulary is that of `run`, or its own."""
    config = config_of("records", init_from=str(begun), **settings)
    return Gan(config, make_text_encoder(config, Vocabulary.load((run or begun) / "vocabulary.json")))


def begin(gan: Gan) -> str:
    """Without `--init_steps`, so that no batch is read."""
    return begin_with(gan, lambda: iter(()))


def test_each_weight_that_fits_is_taken_and_the_others_are_told(first):
    other = {"image_size": 128, "lateral": "bilinear"}  # so that it cannot be doubled
    gan, untouched = gan_of(first, **other), gan_of(first, **other)
    told, before = begin(gan), state(first, 2)
    # What S = 64 has not: one up.
    fits = ["up3/" not in variable.name for variable in gan.generator.variables]
    sizes = [int(np.prod(variable.shape)) for variable in gan.generator.variables]
    assert f"generator takes {np.dot(fits, sizes):,} of its {sum(sizes):,} weights" in told
    assert told.endswith("; discriminator: none there judges images of 128x128, so it is new")
    for own, drawn in zip(gan.discriminator.variables, untouched.discriminator.variables, strict=True):
        np.testing.assert_array_equal(own, drawn, err_msg=own.name)
    assert "; what is new there begins as a bilinear enlargement: its stages cannot move with their scale " in told
    assert "(--lateral=bilinear, there nearest); discriminator" in told
    condition, noise = tf.random.stateless_normal((64, 5), (1, 2)), tf.random.stateless_normal((64, 6), (3, 4))
    small = load_run(first).generator.stage1(condition, noise)
    wanted = tf.image.resize(small, (32, 32))[:, 1:-1, 1:-1]  # not where the up pads with zeros
    difference = gan.generator.stage1(condition, noise)[:, 1:-1, 1:-1] - wanted
    assert tf.norm(difference) < 0.1 * tf.norm(wanted)
    assert "new: stage1/up3;" in told
    assert "text encoder" not in told  # the same seed drew the same

    np.testing.assert_array_equal(gan.generator.stage1.fc.kernel, before[f"ema/stage1/fc/kernel{VALUE}"])
    np.testing.assert_array_equal(gan.generator.to_image.kernel, before[f"ema/to_image/kernel{VALUE}"])
    assert not np.array_equal(before[f"ema/to_image/kernel{VALUE}"], before[f"generator/to_image/kernel{VALUE}"])
    for average, own in zip(gan.ema.variables, gan.generator.variables, strict=True):
        np.testing.assert_array_equal(average, own, err_msg=own.name)
    assert not any(np.any(value) for value in gan.optimizer_g.variables[2:])


@pytest.mark.parametrize("size", [128, 256])
def test_a_larger_ff_gan_begins_with_those_images(first, size):
    """256 by way of 128: the stages move once, and stage 1's other up enlarges."""
    gan, small = gan_of(first, image_size=size), load_run(first).generator
    told = begin(gan)
    assert f"; {MOVED}{' as at S = 128, then' if size == 256 else '; discriminator'}" in told
    for own in (gan.generator.stage2, gan.generator.stage3, gan.ema.stage3):
        np.testing.assert_array_equal(own.up.conv.kernel, small.stage3.up.conv.kernel)
    assert np.all(gan.generator.lateral2.conv.kernel[0, 0] == np.eye(4))
    np.testing.assert_array_equal(gan.ema.stage3.up.norm.gamma[:4], np.float32([GAIN] * 4))
    texts = _random_texts(gan)
    wanted, found = small(*texts), gan.generator(*texts)
    own = found.features["F1"]
    theirs = tf.image.resize(wanted.features["F2f"], own.shape[1:3])
    assert tf.norm(own - theirs) < 0.4 * tf.norm(theirs)
    enlarged = tf.image.resize(wanted.image, (size, size))
    assert np.corrcoef(np.ravel(found.image), np.ravel(enlarged))[0, 1] > 0.9


def test_a_last_doubling_leaves_the_stages_where_they_are(first):
    gan, small = gan_of(first, image_size=128, enlarge=2), load_run(first).generator
    told = begin(gan)
    assert "; its last map is doubled, and what follows is hardly heard at first; disc" in told
    assert "new: enlarge1/conv1," in told and "stage" not in told
    texts = _random_texts(gan)
    wanted, found = small(*texts), gan.ema(*texts)
    for name, value in wanted.features.items():
        np.testing.assert_array_equal(found.features[name], value, err_msg=name)
    enlarged = tf.image.resize(wanted.image, (128, 128))
    assert np.corrcoef(np.ravel(found.image), np.ravel(enlarged))[0, 1] > 0.9

    again = gan_of(first, image_size=256, enlarge=1)  # the stages move to 128, and what is behind them is new
    assert f"new: stage1/up3, enlarge1/conv1, enlarge1/norm1, enlarge1/conv2, enlarge1/norm2; {MOVED}" in begin(again)


def test_stage_1_learns_before_the_first_step_alone(first, tiny_records, tmp_path, capsys):
    """From the run's first batches; the others keep what they began with; not after a resumption."""
    settings = {"init_from": str(first), "generator_stages": 2, "init_steps": 2}
    config = config_of(tiny_records, **settings, steps=1)
    assert train(config, tmp_path / "run") == 0
    out = capsys.readouterr().out
    assert "stage 1 learns: step 2/2  " in out and f"{MOVED}, stage 1 by --init_steps=2; disc" in out
    assert out.index("stage 1 learns") < out.index("begins with")
    untaught = gan_of(first, generator_stages=2)
    begin(untaught)
    now = state(tmp_path / "run", 1)
    moved = np.abs(now[f"ema/stage1/fc/kernel{VALUE}"] - untaught.ema.stage1.fc.kernel)
    assert 1e-3 < moved.max() < 2e-3  # Adam's first two steps, of 1e-3 and 5e-4
    np.testing.assert_array_equal(now[f"ema/stage2/up/conv/kernel{VALUE}"], untaught.ema.stage2.up.conv.kernel)
    assert train(config.replace(steps=2), tmp_path / "run") == 0
    assert "stage 1 learns" not in capsys.readouterr().out


def test_256_learns_as_128(first):
    """Before stage 1's other up enlarges what it has learnt; from captions and noise alone."""
    gan, untaught = gan_of(first, image_size=256, init_steps=1), gan_of(first, image_size=256)
    noise = tf.random.stateless_normal((4, 11), (1, 2))
    batch = {"tokens": tf.ones((4, 3), tf.int32), "lengths": tf.fill([4], 3), "noise": noise}
    told = begin_with(gan, lambda: iter([batch]))
    assert f"{MOVED}, stage 1 by --init_steps=1 as at S = 128, then by stage 1's new up" in told
    begin(untaught)
    moved = np.abs(gan.ema.stage1.fc.kernel - untaught.ema.stage1.fc.kernel)
    assert moved.max() == pytest.approx(1e-3, rel=1e-3)
    np.testing.assert_array_equal(gan.ema.stage2.up.conv.kernel, untaught.ema.stage2.up.conv.kernel)


@pytest.fixture(scope="module")
def two(first, tiny_records, tmp_path_factory):
    """Two stages at the same S that have learnt from that run's three, first and by themselves."""
    folder = tmp_path_factory.mktemp("two") / "run"
    settings = {"generator_stages": 2, "init_from": str(first), "init_steps": 1, "lr_g": 0.01, "steps": 1}
    config = config_of(tiny_records, **settings)
    run_settings.save(config, folder)
    assert train(config, folder) == 0
    return folder


def test_two_stages_begin_with_three_and_three_with_two(first, two):
    gan, small = gan_of(first, generator_stages=2), load_run(first).generator
    assert f"; {MOVED}; discriminator" in begin(gan)
    texts = _random_texts(gan)
    found = gan.generator(*texts)
    assert np.corrcoef(np.ravel(found.image), np.ravel(small(*texts).image))[0, 1] > 0.9

    gan, small = gan_of(two, image_size=128), load_run(two).generator
    told = begin(gan)
    assert (
        "; a new stage 3, hardly heard at first, enlarges its images; discriminator: none" in told and MOVED not in told
    )
    wanted, found = small(*texts), gan.generator(*texts)
    np.testing.assert_allclose(found.features["F2f"], wanted.features["F2f"], rtol=1e-4, atol=1e-4)
    enlarged = tf.image.resize(wanted.image, (128, 128))
    assert np.corrcoef(np.ravel(found.image), np.ravel(enlarged))[0, 1] > 0.95

    gan = gan_of(two, image_size=256)
    told = begin(gan)
    assert "(--generator_stages=2 there); a new stage 3, hardly heard at first, enlarges its images; disc" in told
    np.testing.assert_array_equal(gan.ema.stage3.up.norm.gamma[:4], np.float32([GAIN] * 4))
    concatenated = begin(gan_of(two, image_size=128, fusion="concat"))
    assert "; stage 3 begins as it was drawn (--fusion=concat); " in concatenated


def test_where_stage_1_has_nothing_to_learn(first):
    for settings, told in (
        ({}, "F1 is not larger than 16x16, as there"),
        ({"image_size": 128, "fusion": "concat"}, r"its stages cannot move with their scale \(--fusion=concat\)"),
    ):
        with pytest.raises(UserError, match=f"--init_steps=2: .* --init_from={first}: {told}. Fix: leave it out"):
            begin(gan_of(first, init_steps=2, **settings))


def test_a_run_begins_so_and_reads_the_other_once(first, tiny_records, tmp_path, capsys):
    other = tmp_path / "other"
    shutil.copytree(first, other)
    config = config_of(tiny_records, init_from=str(other), steps=1)
    assert train(config, tmp_path / "run") == 0
    assert f"begins with {other}, step 2: generator takes" in capsys.readouterr().out
    shutil.rmtree(other)
    assert train(config.replace(steps=2), tmp_path / "run") == 0
    began, now = state(first, 2), state(tmp_path / "run", 2)
    for network in ("generator", "ema"):
        key = f"/stage1/fc/kernel{VALUE}"
        np.testing.assert_array_equal(now[network + key], began["ema" + key])
    key = f"discriminator/trunk/1/conv/kernel{VALUE}"
    np.testing.assert_array_equal(now[key], began[key])


@pytest.fixture(scope="module")
def held(first, tmp_path_factory):
    """That run as a model file, in float16."""
    run, path = load_run(first), tmp_path_factory.mktemp("held") / "held.safetensors"
    tensors = tensors_of(run.generator, run.text_encoder)
    model_file.write(ModelFile(path, "held", run.config, run.vocabulary, run.step, "ema", {}), tensors, "float16")
    return path


@pytest.mark.parametrize("encoder", ["the file's", "drawn by the same seed"])
def test_a_model_file_has_the_generator_alone(first, held, encoder):
    text = {"text_encoder": str(held), "seed": 8} if encoder == "the file's" else {}
    gan, untouched = gan_of(held, first, **text), gan_of(held, first, **text)
    told = begin(gan)
    assert f"begins with {held}, step 2: generator takes" in told and "its text encoder was another" not in told
    assert told.endswith("a model file has no discriminator: this run's is new")
    for own, other in zip(gan.generator.variables, load_run(first).generator.variables, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-6, err_msg=own.name)
    for own, drawn in zip(gan.discriminator.variables, untouched.discriminator.variables, strict=True):
        np.testing.assert_array_equal(own, drawn, err_msg=own.name)


def test_data_in_the_words_of_a_model_train_with_its_text_encoder(held, tiny_records, tmp_path):
    """From a folder of images: --vocabulary at the conversion, then --text_encoder and --init_from name one model."""
    pictures, its, own = tiny_records.parent, tmp_path / "its", tmp_path / "own"
    common = ("--image_size=64", "--test_ratio=0.2", "--captions_per_image=4", "--skip_bad", "--workers=1")
    done = run("convert_folder", f"--folder={pictures}", f"--vocabulary={held}", *common, f"--out={its}")
    assert done.returncode == 0, done.stderr
    source = folder.read_source(pictures, test_ratio=0.2, captions_per_image=4)
    convert(source, own, Settings(image_size=64, workers=1, skip_bad=True))
    config = config_of(its, text_encoder=str(held), init_from=str(held), steps=1)
    assert train(config, tmp_path / "run") == 0
    with pytest.raises(UserError, match="has another vocabulary.*Fix: .*--vocabulary="):
        train(config.replace(data=str(own)), tmp_path / "other")


@pytest.mark.parametrize("size, taker, name", [(64, 2, "discriminator"), (128, 1, "discriminator_64")])
def test_of_three_discriminators_that_of_the_same_size_takes_the_others_weights(first, size, taker, name):
    gan, untouched = (gan_of(first, discriminators=3, image_size=size) for _ in range(2))
    told, judges = begin(gan), state(first, 2)
    numbers = sum(int(np.prod(variable.shape)) for variable in gan.discriminators[taker].variables)
    assert f"; {name} takes {numbers:,} of its {numbers:,} weights" in told
    for place, (one, drawn) in enumerate(zip(gan.discriminators, untouched.discriminators, strict=True)):
        if place == taker:
            wanted = judges[f"discriminator/trunk/1/conv/kernel{VALUE}"]
            np.testing.assert_array_equal(one.trunk[1].conv.kernel, wanted)
        else:
            side = size >> (2 - place)
            assert f": none there judges images of {side}x{side}, so it is new" in told
            for own, other in zip(one.variables, drawn.variables, strict=True):
                np.testing.assert_array_equal(own, other, err_msg=own.name)


def test_a_d_that_looks_at_the_same_side_goes_on_but_for_its_fine_detail(first):
    larger = {"image_size": 128, "d_side": 64, "d_detail": 5.0}
    gan, detailed = gan_of(first, **larger), gan_of(first, d_detail=5.0)
    drawn, own = (weights_of(one.discriminator) for one in (gan, detailed))
    (told,) = _judges(gan, detailed.config.model, [own])
    for name, found in weights_of(gan.discriminator).items():
        np.testing.assert_array_equal(found, (drawn if name.startswith("detail/") else own)[name], err_msg=name)
    assert told.endswith("new: detail/octave1, detail/octave2, detail/octave3")
    (told,) = _judges(detailed, gan.config.model, [weights_of(gan.discriminator)])  # and back
    assert "new: detail/octave1" in told
    again = gan_of(first, **larger)
    (told,) = _judges(again, gan.config.model, [weights_of(gan.discriminator)])
    assert told.startswith("discriminator takes") and "new" not in told


def test_another_text_encoder_is_told(first):
    assert "its text encoder was another" in begin(gan_of(first, seed=8))


def test_what_cannot_begin_is_told(first, tmp_path):
    gan = make_gan("dfgan", init_from=str(first))
    with pytest.raises(UserError, match="is of --family=ffgan. Fix: name one of --family=dfgan"):
        begin(gan)
    with pytest.raises(UserError, match="no checkpoint there yet"):
        empty = tmp_path / "empty"
        empty.mkdir()
        for name in ("config.json", "vocabulary.json"):
            shutil.copy(first / name, empty)
        begin(gan_of(empty))
    with pytest.raises(UserError, match="--ndf=8: --init_from=.* was trained with 4. Fix: --ndf=4"):
        begin(gan_of(first, ndf=8))


def test_d_learns_alone_first(first, tiny_records, tmp_path):
    """Two steps in which G keeps its weights, to the bit, while D and both Adams' moments move; then G learns."""
    config = config_of(tiny_records, init_from=str(first), d_first=2, steps=3, lr_g=0.01, lr_d=0.01)
    assert train(config, tmp_path / "run") == 0
    assert [line["learning_rate/g"] for line in logged(tmp_path / "run")] == [0, 0, pytest.approx(0.01)]
    began, (alone, still, free) = state(first, 2), (state(tmp_path / "run", step) for step in (1, 2, 3))
    for layer in ("stage1/fc/kernel", "to_image/kernel"):
        key = f"generator/{layer}{VALUE}"
        np.testing.assert_array_equal(alone[key], began[key.replace("generator", "ema", 1)])
        np.testing.assert_array_equal(still[key], alone[key])
        assert np.abs(free[key] - still[key]).max() > 1e-3
    for name in ("discriminator/trunk/1/conv/kernel", "unconditional_logit/dense/kernel"):
        key = next(key for key in alone if key.endswith(name + VALUE) and "optimizer" not in key)
        assert np.abs(alone[key] - began[key]).max() > 1e-3 and np.abs(still[key] - alone[key]).max() > 1e-3
