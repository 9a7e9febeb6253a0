"""What is known of each family of networks without building it: names, papers, defaults, the settings that it reads.

`docs/families.md` describes them; `ffgan_tf.models.families` builds them.
"""

from typing import Any, NamedTuple

# What every family reads.
COMMON = ("family", "image_size", "ngf", "ndf", "z_dim")
ATTNGAN_BLOCKS = ("up_filter", "d_filter", "d_norm")
PYRAMID = (
    "pyramid",
    "pyramid_kernels",
    "pyramid_reduction",
    "pyramid_norm",
    "pyramid_upsampling",
    "fpam_residual",
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
            "stage_block",
            "word_attention",
            "discriminators",
            *ATTNGAN_BLOCKS,
        ),
        {},
        words=True,
    ),
    "gan_int_cls": FamilyFacts(
        "GAN-INT-CLS",
        "Reed et al., Generative adversarial text to image synthesis, ICML 2016",
        ("c_dim", "condition", "normalise_sentence"),
        {"image_size": 64, "ngf": 128, "c_dim": 128, "condition": "sentence"},
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
        {"image_size": 64, "ngf": 128, "c_dim": 128, "condition": "sentence"},
        sides=(64, 256),
        conditions=("sentence",),
        unconditional=False,
    ),
    "stackgan_v2": FamilyFacts(
        "StackGAN++",
        "Zhang et al., StackGAN++: Realistic image synthesis with stacked generative adversarial networks, TPAMI 2018",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *ATTNGAN_BLOCKS),
        {"ngf": 64, "c_dim": 128, "condition": "mu", "discriminators": 3},
    ),
    "attngan": FamilyFacts(
        "AttnGAN",
        "Xu et al., AttnGAN: Fine-grained text to image generation with attentional generative adversarial networks, "
        "CVPR 2018",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *ATTNGAN_BLOCKS),
        {"condition": "sentence", "normalise_sentence": False, "discriminators": 3},
        words=True,
    ),
    "attndcgan": FamilyFacts(
        "AttnDCGAN",
        "Xu et al., AttnGAN (its variant with one discriminator), CVPR 2018",
        ("c_dim", "condition", "normalise_sentence", *ATTNGAN_BLOCKS),
        {"condition": "sentence", "normalise_sentence": False},
        words=True,
        unconditional=False,
    ),
    "resfpa": FamilyFacts(
        "our reading of ResFPA-GAN",
        "Sun et al., ResFPA-GAN: Text-to-image synthesis with generative adversarial network based on residual block "
        "feature pyramid attention, ARSO 2019: no text or code of it was found",
        ("c_dim", "condition", "normalise_sentence", "discriminators", *PYRAMID, *ATTNGAN_BLOCKS),
        {"ngf": 64, "c_dim": 128, "condition": "mu", "discriminators": 3},
    ),
    "dfgan": FamilyFacts(
        "DF-GAN",
        "Tao et al., DF-GAN: A simple and effective baseline for text-to-image synthesis, CVPR 2022",
        ("condition", "normalise_sentence"),
        {"ndf": 32, "condition": "sentence", "normalise_sentence": False},
        conditions=("sentence",),
        augments=False,
        unconditional=False,
    ),
}


def reads(family: str, name: str) -> bool:
    """Whether a family reads a setting of `ModelConfig`."""
    return name in COMMON or name in FACTS[family].settings
