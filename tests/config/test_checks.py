"""Which values are allowed, and which settings contradict each other."""

import math

import pytest

from ffgan_tf.config import DamsmConfig, ModelConfig, TrainConfig, checks
from ffgan_tf.config.families import FACTS, reads
from ffgan_tf.utils.errors import UserError


@pytest.mark.parametrize(
    "settings,named",
    [
        ({"image_size": 96}, "--image_size=96: must be one of 64, 128, 256"),
        ({"ngf": 0}, "--ngf=0: must be at least 4"),
        ({"beta1": 1.5}, "--beta1=1.5: must be at most 1"),
        ({"lr_g": float("nan")}, "--lr_g=nan"),
        ({"kl_weight": float("inf")}, "--kl_weight=inf"),
        ({"condition": "s"}, "--condition=s: must be one of ca, mu, sentence"),
        ({"pyramid_kernels": "7,five"}, "--pyramid_kernels=7,five"),
        ({"pyramid_kernels": "7,5,3,1,1"}, "--pyramid_kernels=7,5,3,1,1"),
        ({"pyramid_kernels": "3,0"}, "--pyramid_kernels=3,0"),
        ({"pyramid": "spp", "pyramid_kernels": "3"}, "--pyramid_kernels=3 contradicts --pyramid=spp"),
        ({"pyramid_kernels": "99"}, "--pyramid_kernels=99: each must be at most 64"),
        ({"ngf": 4, "pyramid_reduction": 17}, "--pyramid_reduction=17: must be at most 4*ngf, which is 16"),
        ({"generator_stages": 2}, "--generator_stages=2: no --image_size has twice the S of --image_size=256. Fix: "),
        (
            {"generator_stages": 2, "image_size": 64, "discriminators": 3},
            "--discriminators=3: two stages have no three images. Fix: leave --generator_stages out",
        ),
        ({"d_side": 128, "image_size": 128, "d_detail": 1.0}, "--d_side=128: the images have 128 pixels a side. Fix: "),
        ({"d_side": 128}, "--d_side=128: nothing would judge what is finer than that. Fix: --d_detail=15 with it, or"),
        ({"d_side": 64, "d_detail": 1.0, "discriminators": 3}, "--d_side=64: of --discriminators=3 two judge smaller"),
        ({"enlarge": 2, "discriminators": 3}, "--enlarge=2: of --discriminators=3 each judges the image of a stage"),
        ({"enlarge": 2, "image_size": 64}, "--enlarge=2: at --image_size=64 F1 would be smaller than the text pyramid"),
        (
            {"init_steps": 2},
            "--init_steps=2: FF-GAN's stage 1 learns from the smaller generator of --init_from. Fix: name",
        ),
        (
            {"init_steps": 2, "init_from": "run", "family": "attngan", "discriminators": 3},
            "--init_steps=2: FF-GAN's stage 1 learns from the smaller",
        ),
        ({"seed": 2**31}, "--seed=2147483648: must be at most 2147483647"),
        ({"batch": 10**9}, "--batch=1000000000: must be at most 65536"),
        ({"max_words": 10**9}, "--max_words=1000000000: must be at most 1000"),
        ({"c_dim": 10**9}, "--c_dim=1000000000: must be at most 65536"),
        ({"text_encoder": "damsm", "text_init_range": 0.5}, "--text_init_range=0.5 contradicts --text_encoder=damsm"),
    ],
)
def test_check_names_the_setting(settings, named):
    with pytest.raises(UserError) as error:
        checks.check(TrainConfig.of(**settings))
    assert named in str(error.value)


@pytest.mark.parametrize(
    "family,settings,named",
    [
        ("attngan", {"pyramid": "none"}, "--pyramid=none: AttnGAN has no such part"),
        ("dfgan", {"c_dim": 50}, "--c_dim=50: DF-GAN has no such part"),
        ("ffgan", {"stage": 2}, "--stage=2: FF-GAN has no such part"),
        ("resfpa", {"word_attention": False}, "--word_attention=False: our reading of ResFPA-GAN has no such part"),
        ("gan_int_cls", {"image_size": 256}, "GAN-INT-CLS draws images of 64 pixels. Fix: --image_size=64"),
        ("stackgan", {"image_size": 256}, "StackGAN, stage 1, draws images of 64 pixels"),
        ("stackgan", {"stage": 2}, "StackGAN, stage 2, draws images of 256 pixels"),
        ("dfgan", {"condition": "mu"}, "--condition=mu: DF-GAN's discriminator has sentence"),
    ],
)
def test_settings_that_a_family_does_not_have(family, settings, named):
    with pytest.raises(UserError) as error:
        checks.check_family(ModelConfig.of_family(family, **settings))
    assert named in str(error.value)


@pytest.mark.parametrize("family", FACTS)
def test_defaults_of_every_family_are_allowed(family):
    """And are defaults of settings that there are, each of them another than the field's own."""
    plain = TrainConfig().flat()
    for name, value in FACTS[family].defaults.items():
        assert type(value) is type(plain[name]) and value != plain[name]
    checks.check_family(ModelConfig.of_family(family))
    checks.check_model(ModelConfig.of_family(family))
    assert all(reads(family, name) for name in FACTS[family].defaults if hasattr(ModelConfig(), name))


def test_kernels_are_read():
    assert ModelConfig(pyramid_kernels="5, 3").kernels == (5, 3)


@pytest.mark.parametrize("config_class", [TrainConfig, DamsmConfig])
def test_every_number_is_bounded(config_class):
    """A default inside its bounds, and one beyond either refused by the flag's name."""
    numbers = [field for _, field in config_class.fields() if field.type in (int, float)]
    assert len(numbers) > 15
    for field in numbers:
        low, high = field.metadata["low"], field.metadata["high"]
        if field.metadata["choices"] is not None:
            continue
        assert low <= field.default <= high and math.isfinite(high), field.name
        for value in (low - 1, high * 10 + 10):
            with pytest.raises(UserError, match=f"^--{field.name}=.*: must be at "):
                checks.check_value(field, field.type(value))
