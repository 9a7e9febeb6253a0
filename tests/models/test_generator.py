"""The generator: shapes, sizes, the whole of it against NumPy, and gradients to every weight."""

import importlib.util

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf
from networks import D, as_float32, generator, generator_inputs, tiny, trainable_count, without_gradient

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import build

ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
needs_addons = pytest.mark.skipif(not ADDONS, reason="spp is built on tensorflow-addons, which is not on this stack")
KINDS = ["fpam", "none", pytest.param("spp", marks=needs_addons)]


def expected_count(config: ModelConfig) -> int:
    """Trainable numbers of the generator, from docs/model.md sections 2 and 3 alone."""
    n, c, g = config.ngf, config.c_dim, config.dense_growth

    def bn(channels):
        return 2 * channels

    def up(channels_in, channels):
        return 9 * channels_in * 2 * channels + bn(2 * channels)

    def res(channels):
        return 9 * channels * 2 * channels + bn(2 * channels) + 9 * channels * channels + bn(channels)

    def fpam(channels):
        width = channels // 4
        levels = sum(
            k * k * (before + width) * width + 2 * bn(width)
            for k, before in zip((7, 5, 3, 1), (channels, width, width, width))
        )
        return levels + width * channels + bn(channels) + 2 * channels * channels

    def spp(channels):
        return 4 * channels * (channels // 4) + 2 * channels * channels

    def stage(maps):
        channels = maps + (n if config.word_attention else 0) + c
        multiplied = sum(9 * (channels + i * g) * 2 * g for i in range(config.dense_depth))
        multiplied += (channels + config.dense_depth * g) * channels
        if config.stage_block == "dense":
            return multiplied + config.dense_depth * bn(2 * g) + up(channels, n)
        hidden = round(multiplied / (2 * 27 * channels))  # two blocks of conv3×3 to 2·hidden and back
        return 2 * (27 * channels * hidden + bn(2 * hidden) + bn(channels)) + up(channels, n)

    augment = D * 4 * c + 4 * c
    first = (c + config.z_dim) * 16 * 32 * n + bn(16 * 32 * n) + up(16 * n, 8 * n) + up(8 * n, 4 * n)
    text = (4 * n + c) * 4 * n + res(4 * n) + {"fpam": fpam, "spp": spp, "none": lambda _: 0}[config.pyramid](4 * n)
    three = config.generator_stages == 3
    f1_side = config.image_size // (2 if config.enlarge else 1) // (4 if three else 2)
    tail = {16: 4 * n * n, 32: up(4 * n, n), 64: up(4 * n, 2 * n) + up(2 * n, n)}[f1_side]
    coefficients = (3 if three else 1) if config.fusion in ("learned", "grown") else 0
    laterals = 2 if three else 1  # F1′ in Eq. 7; F2′, F1″ in Eq. 9
    fusion = 0 if config.fusion == "none" else laterals * n * n + coefficients
    wider = {"concat": (2 * n, 3 * n)}.get(config.fusion, (n, n))  # F_2f and F_3f
    query = wider[0] if config.attention_query == "f2f" else n
    attention = D * (n + (query if three else 0)) if config.word_attention else 0
    heads = [n, wider[0], wider[1]][-config.discriminators :] if three else [wider[0]]
    stages = stage(n) + (stage(wider[0]) if three else 0)
    refine = (config.refine + config.enlarge) * res(heads[-1])
    return augment + first + text + tail + attention + stages + fusion + refine + 27 * sum(heads)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_shapes(size):
    config = tiny(image_size=size)
    model = build.build_generator(config)
    out = model(**as_float32(generator_inputs(config, lengths=(4, 2))))
    assert out.image.shape == (2, size, size, 3)
    assert out.condition.shape == out.mu.shape == out.log_var.shape == (2, 6)
    assert [maps.shape.as_list() for maps in out.attention] == [
        [2, size // 4, size // 4, 4],
        [2, size // 2, size // 2, 4],
    ]
    assert {name: maps.shape.as_list() for name, maps in out.features.items()} == {
        "F1": [2, size // 4, size // 4, 4],
        "F2f": [2, size // 2, size // 2, 4],
        "F3f": [2, size, size, 4],
    }
    assert np.abs(out.image).max() <= 1
    assert trainable_count(model) == expected_count(config)


@pytest.mark.parametrize(
    "settings",
    [
        {"pyramid": "none"},
        {"fusion": "learned"},
        {"fusion": "grown"},
        {"ngf": 8, "dense_depth": 1},
        {"fusion": "concat"},
        {"fusion": "none"},
        {"stage_block": "residual"},
        {"word_attention": False},
        {"discriminators": 3, "fusion": "concat"},
        {"generator_stages": 2, "fusion": "concat", "refine": 1},
        {"fusion": "concat", "refine": 1},
        {"refine": 2},
        {"refine": 1, "enlarge": 2, "fusion": "concat", "image_size": 256},
        {"generator_stages": 2, "fusion": "grown", "image_size": 128},
        pytest.param({"pyramid": "spp"}, marks=needs_addons),
    ],
)
def test_parameter_count_of_other_settings(settings):
    config = tiny(**settings)
    assert trainable_count(build.build_generator(config)) == expected_count(config)


def test_parameter_count_of_the_papers_size():
    config = ModelConfig()
    assert (config.image_size, config.ngf, config.z_dim, config.c_dim) == (256, 32, 100, 100)
    with tf.Graph().as_default():  # shapes only: the initial values are not computed
        assert trainable_count(build.build_generator(config)) == expected_count(config)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pyramid": "none", "attention_query": "f2f"},
        {"fusion": "learned"},
        {"fusion": "concat", "discriminators": 3},
        {"fusion": "none", "stage_block": "residual"},
        {"word_attention": False, "discriminators": 3},
        {"generator_stages": 2, "fusion": "learned"},
        {"refine": 2, "discriminators": 3},
        {"generator_stages": 2, "refine": 1, "enlarge": 1},
        pytest.param({"pyramid": "spp"}, marks=needs_addons),
    ],
    ids=lambda settings: "-".join(map(str, settings.values())) or "paper",
)
def test_whole_forward_equals_numpy(settings, training):
    config = tiny(**settings)
    model, inputs = generator(config), generator_inputs(config)
    expected = ref.generator(model, config, **inputs, training=training)
    out = model(**inputs, training=training)
    found = {
        "image": out.image,
        "condition": out.condition,
        "mu": out.mu,
        "log_var": out.log_var,
        **dict(zip(("A_1", "A_2"), out.attention)),
        **out.features,
    }
    assert len(out.attention) == (config.generator_stages - 1 if config.word_attention else 0)
    assert list(out.features) == ["F1", "F2f", "F3f"][: config.generator_stages]
    assert [image.shape[1] for image in out.images] == list(config.sizes)
    for small, wanted in zip(out.images, expected["images"], strict=True):
        np.testing.assert_allclose(small, wanted, rtol=0, atol=1e-5 if config.pyramid == "spp" else 1e-9)
    for name, value in found.items():
        tolerance = 1e-5 if config.pyramid == "spp" else 1e-9  # tf.image.resize computes in float32
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=tolerance, err_msg=name)
    assert expected["image"].std() > 0.1  # not a constant, not saturated
    assert np.mean(np.abs(expected["image"]) > 0.999) < 0.2


@pytest.mark.parametrize("size", [128, 256])
def test_larger_sizes_equal_numpy(size):
    config = tiny(image_size=size, dense_depth=1)
    model, inputs = generator(config), generator_inputs(config, lengths=(2,))
    expected = ref.generator(model, config, **inputs)
    np.testing.assert_allclose(model(**inputs).image, expected["image"], rtol=0, atol=1e-9)


def test_residual_blocks_cost_as_much_as_the_dense_block():
    """Multiplications a pixel at the paper's size, counted on the kernels: within one channel of the hidden width."""
    costs = {}
    for block in ("dense", "residual"):
        with tf.Graph().as_default():
            stage = build.build_generator(ModelConfig(stage_block=block)).stage2
            layers = stage.dense or stage.residual
            costs[block] = sum(int(np.prod(w.shape)) for w in layers.trainable_weights if w.shape.rank == 4)
    assert 0 < abs(costs["residual"] - costs["dense"]) <= 2 * 27 * 164 / 2


def test_without_word_attention_no_word_reaches_the_image():
    config = tiny(word_attention=False)
    model, inputs = generator(config), generator_inputs(config)
    changed = {**inputs, "words": inputs["words"] + 1, "mask": inputs["mask"][:, ::-1].copy()}
    np.testing.assert_array_equal(model(**changed).image, model(**inputs).image)


def test_two_forms_of_the_last_sum():
    """Eq. 9, 10: H_L2(F2) + H_L2(H_L1(F1)) = H_L2(F_2f)."""
    config = tiny()
    model, inputs = generator(config), generator_inputs(config)
    f1, f2f = model(**inputs).features["F1"], model(**inputs).features["F2f"]
    f2 = ref.generator(model, config, **inputs)["F2"]
    apart = model.lateral2(tf.constant(f2)) + model.lateral2(model.lateral1(f1))
    np.testing.assert_allclose(apart, model.lateral2(f2f), rtol=0, atol=1e-10)
    assert np.abs(apart).max() > 0.1


def test_lateral_commutes_with_upsampling():
    model = generator(tiny())
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4))
    np.testing.assert_allclose(model.lateral1(x), ref.lateral(x, model.lateral1), rtol=0, atol=1e-12)


def test_query_of_the_second_attention():
    """With the same weights the two settings differ from A_2 on, not before."""
    outputs, weights = {}, None
    for query in ("f2", "f2f"):
        config = tiny(attention_query=query)
        model = generator(config)
        if weights is not None:
            model.set_weights(weights)
        weights = model.get_weights()
        outputs[query] = model(**generator_inputs(config))
    a, b = outputs["f2"], outputs["f2f"]
    np.testing.assert_array_equal(a.attention[0], b.attention[0])
    np.testing.assert_array_equal(a.features["F2f"], b.features["F2f"])
    assert np.abs(a.attention[1] - b.attention[1]).max() > 1e-3
    assert np.abs(a.image - b.image).max() > 1e-6


@pytest.mark.parametrize("fusion, start", [("learned", 1), ("grown", 0)])
def test_learned_fusion_starts_at_the_fixed_one_or_at_none_and_weighs_the_lateral_paths(fusion, start):
    fixed, learned = generator(tiny()), generator(tiny(fusion=fusion))
    extra = [weight for weight in learned.trainable_weights if weight.shape.rank == 0]
    assert extra and all(weight.numpy() == start for weight in extra)
    for weight in extra:
        weight.assign(1.0)
    weights = iter(fixed.variables)
    for variable in learned.variables:
        if variable.shape.rank:
            variable.assign(next(weights))
    inputs = generator_inputs(tiny())
    a, b = fixed(**inputs), learned(**inputs)
    np.testing.assert_allclose(a.image, b.image, rtol=0, atol=1e-12)
    for weight in extra:
        weight.assign(0.5)
        assert np.abs(learned(**inputs).image - a.image).max() > 1e-3
        weight.assign(1.0)
    for weight in extra:  # without the lateral paths F_2f is F2 alone
        weight.assign(0.0)
    f2 = ref.generator(fixed, tiny(), **inputs)["F2"]
    np.testing.assert_allclose(learned(**inputs).features["F2f"], f2, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fusion,query,size", [("fixed", "f2", 64), ("learned", "f2f", 128), ("concat", "f2f", 64)])
def test_gradients_reach_every_weight(kind, fusion, query, size):
    config = tiny(pyramid=kind, fusion=fusion, attention_query=query, image_size=size)
    model, inputs = generator(config), generator_inputs(config)
    rng = np.random.default_rng(9)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(**inputs, training=True).image * rng.normal(size=(3, size, size, 3)))
    assert without_gradient(tape, loss, model) == []


def test_noise_epsilon_sentence_and_words_all_reach_the_image():
    config = tiny()
    model, inputs = generator(config), generator_inputs(config)
    image = model(**inputs).image
    for name in ("sentence", "words", "noise", "epsilon"):
        changed = model(**{**inputs, name: inputs[name][::-1].copy()}).image
        assert np.abs(changed - image).max() > 1e-3, name


def test_samples_do_not_reach_each_other_at_inference():
    config = tiny()
    model, inputs = generator(config), generator_inputs(config)
    changed = {name: value.copy() for name, value in inputs.items()}
    for name in ("sentence", "words", "noise", "epsilon"):
        changed[name][0] += 1
    changed["mask"][0] = [True, True, False, False, False, False]
    a, b = model(**inputs).image, model(**changed).image
    assert np.abs(a[0] - b[0]).max() > 1e-2
    np.testing.assert_allclose(a[1:], b[1:], rtol=0, atol=1e-12)


def test_mixed_precision_returns_float32_close_to_float64():
    config = tiny()
    exact, mixed = generator(config), build.build_generator(config, "mixed_bfloat16")
    assert all(variable.dtype == tf.float32 for variable in mixed.variables)
    for a, b in zip(mixed.variables, exact.variables):
        a.assign(tf.cast(b, tf.float32))
    inputs = generator_inputs(config)
    out = mixed(**as_float32(inputs))
    assert {
        out.image.dtype,
        out.condition.dtype,
        out.mu.dtype,
        out.log_var.dtype,
        *(maps.dtype for maps in out.attention),
    } == {tf.float32}
    assert np.abs(out.image.numpy() - exact(**inputs).image.numpy()).mean() < 0.03  # bfloat16 has eight bits


def test_learned_coefficients_stand_where_equations_7_and_9_have_them():
    """F_2f = F2 + a·F1′ and F_3f = F3 + H_L2(b·F2 + c·F1′): F3 depends on F_2f alone, so differences show b and c."""
    model, inputs = generator(tiny(fusion="learned")), generator_inputs(tiny())
    a, b, c = model.fuse

    def features(*coefficients):
        for variable, value in zip(model.fuse, coefficients):
            variable.assign(value)
        return model(**inputs).features

    plain = features(0.0, 1.0, 1.0)
    f1_up, f2 = model.lateral1(plain["F1"]), plain["F2f"]
    np.testing.assert_allclose(features(0.3, 1.0, 1.0)["F2f"], f2 + 0.3 * f1_up, rtol=0, atol=1e-10)
    for changed, want in (((0.0, 1.7, 1.0), 0.7 * f2), ((0.0, 1.0, -0.4), -1.4 * f1_up)):
        found = features(*changed)
        np.testing.assert_allclose(found["F2f"], f2, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found["F3f"] - plain["F3f"], model.lateral2(want), rtol=0, atol=1e-9)
