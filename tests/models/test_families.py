"""The families of networks: numbers of parameters, shapes, and what is particular to each (docs/families.md)."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from networks import D, as_float32, generator, generator_inputs, shake, tiny, trainable_count, without_gradient

from ffgan_tf.config import ModelConfig
from ffgan_tf.config.families import FACTS
from ffgan_tf.losses.gan import kl_divergence
from ffgan_tf.models import blocks, build, conditioning
from ffgan_tf.models.families import FAMILIES

STAGE2 = {"stage": 2, "image_size": 256}
CASES = [(family, {}) for family in FACTS] + [("stackgan", STAGE2)]
IDS = [*FACTS, "stackgan-2"]


def small(family: str, **settings) -> ModelConfig:
    """The family's own settings at the smallest widths, at S = 64 where it has that."""
    sizes = {"ngf": 4, "ndf": 4, "z_dim": 5, "c_dim": 6, "image_size": 64}
    if settings.get("stage") == 2:
        sizes["ngf"] = 16  # its last maps have ngf/4 channels; ReLU may leave nothing of a single one
    if family == "ffgan":
        return tiny(**settings)
    if family == "dfgan":
        del sizes["c_dim"]
    return ModelConfig.of_family(family, **{**sizes, **settings})


def discriminators(config: ModelConfig, precision: str = "float64") -> list[tf.keras.Model]:
    """The config's discriminators, the same at every call, shaken."""
    tf.keras.utils.set_random_seed(2)
    models = build.build_discriminators(config, precision)
    for number, model in enumerate(models):
        shake(model, number)
    return models


@functools.cache
def shaken(config: ModelConfig) -> tf.keras.Model:
    """A generator in which DF-GAN's affine maps, which start as 1 and 0 whatever the sentence, depend on it.

    One for all tests, which move no more of it than batch norm's averages.
    """
    tf.keras.utils.set_random_seed(4)
    model, rng = generator(config), np.random.default_rng(4)
    for variable in model.trainable_variables:
        if "_output" in variable.name and "kernel" in variable.name:
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


# ---------------------------------------------------------------- numbers of parameters


# Counted on the authors' code layer by layer, by hand: with their embedding of 1,024 numbers, and with ours of 256.
# (family, settings): (G at 1,024, G at 256, the Ds at 1,024, the Ds at 256). AttnGAN's embedding has 256.
COUNTS = {
    ("gan_int_cls", 1): (18_905_472, 18_807_168, [4_030_080], [3_931_776]),
    ("stackgan", 1): (14_264_192, 14_067_584, [4_029_824], [3_931_520]),
    ("stackgan", 2): (26_290_080, 26_093_472, [48_603_520], [48_505_216]),
    ("stackgan_v2", 1): (21_239_696, 20_846_480, *[[5_723_906, 18_834_178, 71_269_122]] * 2),
    ("attngan", 1): (None, 7_084_592, None, [6_313_730, 19_424_002, 71_858_946]),
    ("attndcgan", 1): (None, 6_638_960, None, [71_858_946 - 16 * 512 - 1]),
    ("resfpa", 1): (None, 24_155_024, None, [5_723_906, 18_834_178, 71_269_122]),
}


@pytest.mark.slow
@pytest.mark.parametrize("family,stage", COUNTS)
def test_parameters_at_the_authors_sizes(family, stage):
    config = ModelConfig.of_family(family, **(STAGE2 if stage == 2 else {}))
    g_wide, g_count, d_wide, d_count = COUNTS[family, stage]
    for width, g, ds in ((1024, g_wide, d_wide), (D, g_count, d_count)):
        if g is None:
            continue
        with tf.Graph().as_default(), blocks.blank_weights():  # shapes only
            model = FAMILIES[family].generator(config, False)
            model(
                tf.zeros([2, width]),
                tf.zeros([2, 3, width]),
                tf.ones([2, 3], tf.bool),
                tf.zeros([2, config.z_dim]),
                tf.zeros([2, config.epsilon_dim]),
            )
            assert trainable_count(model) == g
            condition = width if config.condition == "sentence" else config.c_dim
            for judge, size, count in zip(
                FAMILIES[family].discriminators(config, False), config.sizes, ds, strict=True
            ):
                judge(tf.zeros([2, size, size, 3]), tf.zeros([2, condition]))
                assert trainable_count(judge) == count


def dfgan_count(size: int, n: int, z: int) -> tuple[int, int]:
    """G's and D's numbers from the structure of the authors' code, without the shortcuts that it makes and never calls;
    tests/parity holds each weight against theirs."""
    widths = [n * min(2**i, 8) for i in range(int(np.log2(size)) - 1)]

    def affines(width):  # two, each of two pairs of dense layers
        return 2 * 2 * ((z + D + 1) * width + (width + 1) * width)

    def conv(k, i, o, bias=1):
        return k * k * i * o + bias * o

    def shortcut(i, o):
        return conv(1, i, o) if i != o else 0

    down, up = list(zip(widths, widths[1:])), list(zip(widths[::-1], widths[-2::-1]))
    g = (z + 1) * 16 * widths[-1] + conv(3, n, 3)
    g += sum(affines(i) + affines(o) + conv(3, i, o) + conv(3, o, o) + shortcut(i, o) for i, o in up)
    d = conv(3, 3, n) + sum(conv(4, i, o, 0) + conv(3, o, o, 0) + shortcut(i, o) + 1 for i, o in down)
    return g, d + conv(3, 8 * n + D, 2 * n, 0) + 16 * 2 * n


@pytest.mark.parametrize("size,n", [(64, 4), (256, 32)])
def test_parameters_of_dfgan(size, n):
    config = ModelConfig.of_family("dfgan", image_size=size, ngf=n, ndf=n)
    assert (config.z_dim, ModelConfig.of_family("dfgan").ngf, ModelConfig.of_family("dfgan").ndf) == (100, 32, 32)
    with tf.Graph().as_default(), blocks.blank_weights():
        found = trainable_count(build.build_generator(config)), trainable_count(build.build_discriminator(config))
    assert found == dfgan_count(size, n, 100)


def test_discriminators_of_attngan_end_at_8ndf_at_every_size():
    """From 64 up they are AttnGAN's; below, its last layers."""
    judges = discriminators(small("attngan", ndf=5), "float32")
    assert [judge.name for judge in judges] == ["discriminator_16", "discriminator_32", "discriminator"]
    assert [[layer.conv.filters // 5 for layer in judge.trunk] for judge in judges] == [[4, 8], [2, 4, 8], [1, 2, 4, 8]]
    with tf.Graph().as_default(), blocks.blank_weights():
        large = build.build_discriminators(ModelConfig.of_family("attngan", ndf=4))
    tails = [[layer.conv.filters // 4 for layer in judge.trunk if layer.conv.strides == (1, 1)] for judge in large]
    assert tails == [[], [8], [16, 8]]


# ---------------------------------------------------------------- all alike


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("family", FACTS)
def test_shapes(family, size):
    stage = {"stage": 2} if (family, size) == ("stackgan", 256) else {}
    if size not in FACTS[family].sides:
        pytest.skip(f"{FACTS[family].label} has no {size}×{size}")
    config = small(family, image_size=size, **stage)
    model = build.build_generator(config)
    found = model(**as_float32(generator_inputs(config, lengths=(4, 2))), training=True)
    three = family in ("stackgan_v2", "attngan", "resfpa")
    assert config.sizes == ((size // 4, size // 2, size) if three else (size,)) == FAMILIES[family].sizes(config)
    assert [image.shape.as_list() for image in found.images] == [[2, side, side, 3] for side in config.sizes]
    assert found.image is found.images[-1]
    assert all(np.abs(image).max() <= 1 and np.std(image) > 0 for image in found.images)
    facts = FACTS[family]
    assert [maps.shape[1:] for maps in found.attention] == (
        [(size // 4,) * 2 + (4,), (size // 2,) * 2 + (4,)] * facts.words
    )
    assert (model.augment is not None) == facts.augments
    for value in (found.condition, found.mu, found.log_var):
        assert value.shape == (2, config.c_dim) if facts.augments else value is None
    assert found.features
    for judge, image in zip(build.build_discriminators(config), found.images, strict=True):
        condition = tf.ones([2, build.condition_size(config)])
        features = judge.features(image, training=True)
        assert features.shape[:3] == (2, 4, 4) and judge.size == image.shape[1]
        assert judge.has_unconditional == facts.unconditional
        logit = judge.unconditional(features)
        assert logit.shape == (2,) if facts.unconditional else logit is None
        assert judge.conditional(features, condition, training=True).shape == (2,)


@pytest.mark.parametrize("family,settings", CASES, ids=IDS)
def test_gradients_reach_every_weight(family, settings):
    config = small(family, **settings)
    model, inputs, rng = shaken(config), generator_inputs(config), np.random.default_rng(9)
    with tf.GradientTape() as tape:
        images = model(**inputs, training=True).images
        loss = tf.add_n([tf.reduce_sum(image * rng.normal(size=image.shape)) for image in images])
    assert without_gradient(tape, loss, model) == []
    for judge, size in zip(discriminators(config), config.sizes):
        with tf.GradientTape() as tape:
            features = judge.features(rng.uniform(-1, 1, (3, size, size, 3)), training=True)
            condition = rng.normal(size=(3, build.condition_size(config)))
            loss = tf.reduce_sum(judge.conditional(features, condition, training=True) * [1, -2, 3])
            if judge.has_unconditional:
                loss += tf.reduce_sum(judge.unconditional(features) * [2, 1, -1])
        assert without_gradient(tape, loss, judge) == []


@pytest.mark.parametrize("family,settings", CASES, ids=IDS)
def test_features_of_both_are_two_calls(family, settings):
    config, rng = small(family, **settings), np.random.default_rng(4)
    for together, apart in zip(discriminators(config), discriminators(config), strict=True):
        images = [tf.constant(rng.uniform(-1, 1, (3, together.size, together.size, 3))) for _ in range(2)]
        for both, one in zip(together.features_of_both(*images, training=True), images, strict=True):
            np.testing.assert_allclose(both, apart.features(one, training=True), rtol=1e-9, atol=1e-9)
        for a, b in zip(together.non_trainable_variables, apart.non_trainable_variables):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family,settings", CASES, ids=IDS)
def test_sentence_noise_and_epsilon_reach_the_image(family, settings):
    config = small(family, **settings)
    model, inputs = shaken(config), generator_inputs(config)
    # In training: by moving averages, weights of N(0, 0.02) let hardly anything through.
    images = model(**inputs, training=True).images
    names = ["sentence", "noise"] + ["epsilon"] * FACTS[family].augments + ["words"] * FACTS[family].words
    for name in names:
        changed = model(**{**inputs, name: inputs[name][::-1].copy()}, training=True).images
        assert np.abs(changed[-1] - images[-1]).max() > 1e-4, name
    if not FACTS[family].words:
        np.testing.assert_array_equal(
            model(**{**inputs, "words": inputs["words"] + 1}, training=True).image, images[-1]
        )


@pytest.mark.parametrize("family", [family for family in FACTS if FACTS[family].words])
def test_padding_does_not_change_the_images(family):
    config = small(family)
    model = shaken(config)
    images = model(**generator_inputs(config, padding=0)).images
    padded = model(**generator_inputs(config, padding=3)).images
    for a, b in zip(images, padded, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", FACTS)
def test_scale_of_the_sentence(family):
    """With `--normalise_sentence` neither network sees it; without, both do."""
    for normalise in (True, False):
        config = small(family, normalise_sentence=normalise, condition="sentence")
        model, inputs = shaken(config), generator_inputs(config)
        change = np.abs(model(**{**inputs, "sentence": 3 * inputs["sentence"]}).image - model(**inputs).image).max()
        assert change < 1e-9 if normalise else change > 1e-7  # N(0, 0.02) weights make small images
        if family not in ("gan_int_cls", "stackgan", "dfgan"):  # AttnGAN's D takes its condition as it is
            continue
        judge = discriminators(config)[0]
        features = judge.features(np.random.default_rng(1).uniform(-1, 1, (3, 64, 64, 3)))
        logits = [judge.conditional(features, scale * inputs["sentence"]) for scale in (1, 3)]
        assert np.abs(logits[0] - logits[1]).max() < 1e-9 if normalise else np.abs(logits[0] - logits[1]).max() > 1e-6


@pytest.mark.parametrize("family", FACTS)
def test_mixed_precision(family):
    """Images, logits, μ and log σ² are float32, near those of float64."""
    config = small(family)
    exact, mixed = shaken(config), build.build_generator(config, "mixed_bfloat16")
    for a, b in zip(mixed.variables, exact.variables, strict=True):
        a.assign(tf.cast(b, tf.float32))
    inputs = generator_inputs(config)
    found = mixed(**as_float32(inputs))
    values = [value for value in (*found.images, found.condition, found.mu, found.log_var) if value is not None]
    assert {value.dtype for value in values} == {tf.float32}
    assert np.abs(found.image.numpy() - exact(**inputs).image.numpy()).mean() < 0.05  # bfloat16 has eight bits
    for judge, image in zip(discriminators(config, "mixed_bfloat16"), found.images):
        features = judge.features(image)
        assert features.dtype == tf.bfloat16
        assert judge.conditional(features, tf.ones([3, build.condition_size(config)])).dtype == tf.float32


@pytest.mark.parametrize("family,settings", CASES, ids=IDS)
def test_a_twin_shares_every_weight(family, settings):
    """For gradient penalties in float32."""
    config = small(family, **settings)
    with blocks.blank_weights():
        judges, twins = build.build_discriminators(config, "mixed_bfloat16"), build.build_discriminators(config)
    for judge, twin in zip(judges, twins, strict=True):
        build.same_weights(judge, twin)
        assert [id(a) for a in twin.weights] == [id(b) for b in judge.weights]


# ---------------------------------------------------------------- initial weights


@pytest.mark.parametrize("family,settings", CASES, ids=IDS)
def test_blank_weights_leave_no_kernel_drawn(family, settings):
    with blocks.blank_weights():
        models = [
            build.build_generator(small(family, **settings)),
            *build.build_discriminators(small(family, **settings)),
        ]
    kernels = [weight for model in models for weight in model.weights if "kernel" in weight.name]
    assert kernels and not any(np.any(weight) for weight in kernels)


def kernels_of(model):
    return {w.name: w.numpy() for w in model.trainable_weights if "kernel" in w.name}


def test_initial_weights_of_gan_int_cls():
    """Convolutions N(0, 0.02); the text layers, Torch's, U(±1/√256); no two layers alike."""
    for model in (
        build.build_generator(small("gan_int_cls", ngf=8)),
        build.build_discriminators(small("gan_int_cls"))[0],
    ):
        kernels = kernels_of(model)
        text = kernels.pop(next(name for name in kernels if "text" in name))
        assert 0.9 / 16 < np.abs(text).max() <= 1 / 16
        bias = next(w for w in model.trainable_weights if "text" in w.name and "bias" in w.name).numpy()
        assert 0 < np.abs(bias).max() <= 1 / 16
        values = np.concatenate([kernel.ravel() for kernel in kernels.values()])
        assert values.std() == pytest.approx(0.02, rel=0.02) and np.abs(values).max() > 0.06
        assert len({kernel.ravel()[0] for kernel in kernels.values()}) == len(kernels)


def test_initial_weights_of_stackgan():
    """Convolutions N(0, 0.02) truncated at two deviations; dense layers not truncated, without bias to start with."""
    model = build.build_generator(small("stackgan", **STAGE2))
    kernels = kernels_of(model)
    dense = [kernels.pop(name) for name in list(kernels) if kernels[name].ndim == 2]
    assert max(np.abs(kernel).max() for kernel in dense) > 0.05
    values = np.concatenate([kernel.ravel() for kernel in kernels.values()])
    assert np.abs(values).max() <= 0.04 + 1e-7 and values.std() == pytest.approx(0.02 * 0.8796, rel=0.02)
    assert not any(np.any(w) for w in model.trainable_weights if "bias" in w.name)


def test_initial_weights_of_dfgan():
    """PyTorch's: U(±1/√n), n the inputs of an output; the affine maps start as identities, D's residuals at nothing."""
    model, judge = build.build_generator(small("dfgan")), build.build_discriminators(small("dfgan"))[0]
    for weights in (model.trainable_weights, judge.trainable_weights):
        for weight in weights:
            if "kernel" in weight.name and "_output" not in weight.name:
                bound = np.prod(weight.shape[:-1]) ** -0.5
                assert 0.5 * bound < np.abs(weight.numpy()).max() <= bound, weight.name
    conv2 = model.blocks[0].conv2
    assert 0.3 < np.abs(conv2.bias.numpy()).max() * np.prod(conv2.kernel.shape[:-1]) ** 0.5 <= 1
    assert all(not np.any(block.gamma) for block in judge.blocks)
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 32)).astype("f4")
    fused = model.blocks[0].fuse1(x, np.ones((2, 5 + D), "f4"))
    np.testing.assert_allclose(fused, np.where(x > 0, x, 0.04 * x), rtol=1e-6)  # LeakyReLU twice


# ---------------------------------------------------------------- StackGAN


def test_stackgan_augmentation():
    """μ and log σ from one LeakyReLU layer; KL as the authors write it; ε within ±2 whatever was drawn."""
    rng = np.random.default_rng(0)
    with build.precision_scope("float64"):
        layer = conditioning.StackGanAugmentation(6, False, tf.keras.initializers.RandomNormal(0, 0.1))
    sentence = rng.normal(size=(4, 9))
    mid, mu, log_var = layer(sentence, np.zeros((4, 6)))
    h = sentence @ layer.linear.kernel.numpy() + layer.linear.bias.numpy()
    h = np.where(h > 0, h, np.float64(np.float32(0.2)) * h)
    np.testing.assert_allclose(mu, h[:, :6], rtol=1e-12)
    np.testing.assert_allclose(log_var, 2 * h[:, 6:], rtol=1e-12)
    np.testing.assert_allclose(mid, mu, rtol=1e-12)
    sigma = np.exp(h[:, 6:])
    theirs = np.mean(-np.log(sigma) + 0.5 * (sigma**2 + h[:, :6] ** 2 - 1))
    np.testing.assert_allclose(kl_divergence(mu, log_var), theirs, rtol=1e-12)
    drawn = rng.normal(size=(4, 6)) * [1, 1, 1, 1, 1, 9]
    used = (layer(sentence, drawn)[0] - mu) / sigma
    assert np.abs(used).max() <= 2 + 1e-12 and np.abs(used[:, 5]).max() > 1.99
    np.testing.assert_array_equal(np.sign(used), np.sign(drawn))


def test_stackgan_draws_a_truncated_normal():
    """Quantiles of N(0, 1) within ±2, by rejection."""
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=400_000)
    expected = drawn[np.abs(drawn) <= 2]
    found = conditioning.truncated(tf.constant(rng.normal(size=400_000)), 2.0).numpy()
    q = np.linspace(0.01, 0.99, 21)
    np.testing.assert_allclose(np.quantile(found, q), np.quantile(expected, q), atol=0.02)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_step_of_stage_2_does_not_move_stage_1(precision):
    """Not its weights, not its batch norms' averages, which a training call of the unfrozen stage moves; its images are
    those of training."""
    config = small("stackgan", **STAGE2)
    model = generator(config, precision)
    first, inputs = model.first, generator_inputs(config, lengths=(4, 2))
    inputs = inputs if precision == "float64" else as_float32(inputs)
    before = [value.numpy() for value in first.variables]
    trained = {id(variable) for variable in model.trainable_variables}
    assert first.variables and not trained & {id(variable) for variable in first.variables}
    assert {id(variable) for variable in first.variables} < {id(variable) for variable in model.variables}
    assert len(model.variables) == len(model.trainable_variables) + len(model.non_trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(**inputs, training=True).image)
    optimizer = tf.keras.optimizers.SGD(0.1)
    optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
    for a, b in zip(before, first.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    rest = {**inputs, "epsilon": inputs["epsilon"][:, config.c_dim :]}
    training, inference = (first(**rest, training=mode).image for mode in (True, False))
    assert np.abs(training - inference).max() > 1e-3
    alone = build.build_generator(small("stackgan", ngf=16), precision)
    for a, b in zip(alone.variables, before, strict=True):
        a.assign(b)
    np.testing.assert_allclose(alone(**rest, training=True).image, training, atol=1e-5)
    assert any(np.any(a.numpy() != b) for a, b in zip(alone.variables, before))


def test_stage_1_of_a_run_is_restored_into_stage_2(tmp_path):
    """The objects of a checkpoint of the first run have the same names below `first`."""
    one, two = generator(small("stackgan", ngf=16)), build.build_generator(small("stackgan", **STAGE2), "float64")
    path = tf.train.Checkpoint(ema=one).write(str(tmp_path / "one"))
    tf.train.Checkpoint(ema=two.first).read(path).assert_consumed()
    config = small("stackgan", **STAGE2)
    inputs = generator_inputs(config)
    rest = {**inputs, "epsilon": inputs["epsilon"][:, config.c_dim :]}
    np.testing.assert_allclose(one(**rest).image, two.first(**rest).image, atol=1e-12)


def test_stage_2_has_its_own_epsilon_first():
    config = small("stackgan", **STAGE2)
    model, inputs = generator(config), generator_inputs(config)
    found = model(**inputs, training=True)
    changed = inputs["epsilon"].copy()
    changed[:, config.c_dim :] += 1  # Stage I's
    other = model(**{**inputs, "epsilon": changed}, training=True)
    np.testing.assert_array_equal(found.condition, other.condition)
    assert np.abs(found.image - other.image).max() > 1e-5
    np.testing.assert_array_equal(model.augment(inputs["sentence"], inputs["epsilon"])[0], found.condition)
