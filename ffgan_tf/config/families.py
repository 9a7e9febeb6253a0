"""What is known of each family of networks without building it: names, papers, defaults, the settings that it reads.

`docs/families.md` describes them; `ffgan_tf.models.families` builds them.
"""

from typing import Any, NamedTuple

# What every family reads.
COMMON = ("family", "image_size", "ngf", "ndf", "z_dim")
ATTNGAN_BLOCKS = ("up_filter", "d_filter", "d_norm", "d_detail", "d_projected")
PYRAMID = (
    "pyramid",
    "pyramid_kernels",
    "pyramid_reduction",
    "pyramid_norm",
    "pyramid_upsampling",
    "fpam_residual",
)


# GAN-CLS's losses, where D has no unconditional head.
CLS = {"loss_weights": "gan_cls", "generator_weights": "ones"}
STACKGAN_V2 = (
    dict(ngf=64, c_dim=128, condition="mu", condition_gradient="g", discriminators=3)
    | dict(loss_weights="stackgan_v2", generator_weights="ones", kl_weight=2.0)
    | dict(ema_warmup=False, batch=24)
)


class FamilyFacts(NamedTuple):
    """A family: how it is printed, where it comes from, which settings of `ModelConfig` it reads besides `COMMON`,
    the image sizes and conditions of D that it has.

    `defaults`: of settings of the training command, where the family's are not those of the fields: its authors' sizes,
    and what its networks need. A run's settings are the fields' defaults, these, what was given, in this order.
    """

    label: str
    paper: str
    settings: tuple[str, ...]
    defaults: dict[str, Any]
    sides: tuple[int, ...] = (64, 128, 256)
    conditions: tuple[str, ...] = ("ca", "mu", "sentence")
    augments: bool = True  # has conditioning augmentation, and with it μ, log σ² and a KL term
    words: bool = False  # reads the word features e, not the sentence vector alone
    unconditional: bool = True  # its discriminators have an unconditional head


FACTS: dict[str, FamilyFacts] = {
    "ffgan": FamilyFacts(
        "FF-GAN",
        "Text to image generation based on feature fusion (the paper of this project)",
        (
            "c_dim",
            "condition",
            "normalise_sentence",
            *PYRAMID,
            "dense_depth",
            "dense_growth",
            "attention_query",
            "fusion",
            "lateral",
            "edges",
            "stage_block",
            "generator_stages",
            "refine",
            "enlarge",
            "word_attention",
            "discriminators",
            "d_side",
            *ATTNGAN_BLOCKS,
        ),
        {},
        words=True,
    ),
    "gan_int_cls": FamilyFacts(
        "GAN-INT-CLS",
        "Reed et al., Generative adversarial text to image synthesis, ICML 2016",
        ("c_dim", "condition", "normalise_sentence"),
        (
            dict(image_size=64, ngf=128, c_dim=128, condition="sentence")
            | CLS
            | dict(interpolate=True, captions_mean=4, captions_repeat=True, lr_halve_every=100)
            | dict(fresh_noise=True, ema_decay=0.0, batch=64)
        ),
        sides=(64,),
        conditions=("sentence",),
        augments=False,
        unconditional=False,
    ),
    "stackgan": FamilyFacts(
        "StackGAN",
        "Zhang et al., StackGAN: Text to photo-realistic image synthesis with stacked generative adversarial networks, "
        "ICCV 2017",
        ("c_dim", "condition", "normalise_sentence", "stage"),
        (
            dict(image_size=64, ngf=128, c_dim=128, condition="sentence")
            | CLS
            | dict(kl_weight=2.0, captions_mean=4, lr_halve_every=50)
            | dict(fresh_noise=True, ema_decay=0.0, batch=64)
        ),
        sides=(64, 256),
        conditions=("sentence",),
        unconditional=False,
    ),
    "stackgan_v2": FamilyFacts(
        "StackGAN++",
        "Zhang et al., StackGAN++: Realistic image synthesis with stacked generative adversarial networks, TPAMI 2018",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *ATTNGAN_BLOCKS),
        STACKGAN_V2,
    ),
    "attngan": FamilyFacts(
        "AttnGAN",
        "Xu et al., AttnGAN: Fine-grained text to image generation with attentional generative adversarial networks, "
        "CVPR 2018",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *ATTNGAN_BLOCKS),
        (
            dict(condition="sentence", normalise_sentence=False, discriminators=3)
            | dict(loss_weights="attngan", generator_weights="ones", ema_warmup=False)
        ),
        words=True,
    ),
    "attndcgan": FamilyFacts(
        "AttnDCGAN",
        "Xu et al., AttnGAN (its variant with one discriminator), CVPR 2018",
        ("c_dim", "condition", "normalise_sentence", *ATTNGAN_BLOCKS),
        (dict(condition="sentence", normalise_sentence=False) | CLS | dict(ema_warmup=False, batch=30, epochs=400)),
        words=True,
        unconditional=False,
    ),
    "resfpa": FamilyFacts(
        "our reading of ResFPA-GAN",
        "Sun et al., ResFPA-GAN: Text-to-image synthesis with generative adversarial network based on residual block "
        "feature pyramid attention, ARSO 2019: no text or code of it was found",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *PYRAMID, *ATTNGAN_BLOCKS),
        STACKGAN_V2,
    ),
    "dfgan": FamilyFacts(
        "DF-GAN",
        "Tao et al., DF-GAN: A simple and effective baseline for text-to-image synthesis, CVPR 2022",
        ("condition", "normalise_sentence"),
        (
            dict(ndf=32, condition="sentence", normalise_sentence=False)
            | CLS
            | dict(adversarial="hinge", gradient_penalty="magp", lr_g=1e-4, lr_d=4e-4)
            | dict(beta1=0.0, beta2=0.9, ema_decay=0.0, batch=32, epochs=1300)
        ),
        conditions=("sentence",),
        augments=False,
        unconditional=False,
    ),
}


def reads(family: str, name: str) -> bool:
    """Whether a family reads a setting of `ModelConfig`."""
    return name in COMMON or name in FACTS[family].settings


def defaults_text() -> str:
    """Each family's own defaults as flags, for `--help`."""

    def flag(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return f"--{name}{'' if value else '=false'}"
        return f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"

    return "; ".join(
        f"{family} {' '.join(flag(*item) for item in facts.defaults.items())}"
        for family, facts in FACTS.items()
        if facts.defaults
    )
