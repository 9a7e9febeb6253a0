"""Settings of the networks (docs/model.md sections 1 to 4)."""

import dataclasses
from typing import Any, NamedTuple

from ffgan_tf.config.families import FACTS, defaults_text
from ffgan_tf.config.fields import setting


class SmoothUps(NamedTuple):
    """Whether each up of the generator is followed by a blur."""

    stage1: bool  # before the text pyramid
    tail: bool  # stage 1's after it: none for F1 at 16x16, one at 32x32, two at 64x64
    stage2: bool
    stage3: bool


SMOOTH_UPS = {  # by --up_filter
    "none": SmoothUps(False, False, False, False),
    "inner": SmoothUps(True, True, True, False),
    "last": SmoothUps(False, False, False, True),
    "late": SmoothUps(False, False, True, True),
    "tail": SmoothUps(False, True, True, True),
    "blur": SmoothUps(True, True, True, True),
}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Architecture of the networks: family, image size, widths, noise, pyramid, dense blocks, attention, condition.

    Part of `TrainConfig`. The defaults are FF-GAN's; `ModelConfig.of_family` gives another family's.
    """

    family: str = setting(
        "ffgan",
        "Networks: the paper's FF-GAN, those it compares with (gan_int_cls, stackgan, stackgan_v2, resfpa: our reading "
        "of ResFPA-GAN), AttnGAN (attngan) and its variant with one discriminator (attndcgan), or DF-GAN (dfgan). "
        f"A family brings defaults of its own for flags that are not given: {defaults_text()}.",
        choices=tuple(FACTS),
    )
    stage: int = setting(
        1, "StackGAN's stage: 1 draws 64x64; 2 draws 256x256 from the images of a trained, frozen stage 1.", (1, 2)
    )
    image_size: int = setting(256, "Side S of the generated image in pixels.", choices=(64, 128, 256))
    ngf: int = setting(32, "Generator's width: the number of channels of F1, F2 and F3.", low=4, high=1024)
    ndf: int = setting(64, "Discriminator's width: the number of channels of its first layer.", low=4, high=1024)
    z_dim: int = setting(100, "Size of the noise vector z.", low=1, high=65536)
    c_dim: int = setting(100, "Size c of the conditioning vector I_s.", low=1, high=65536)
    pyramid: str = setting(
        "fpam",
        "Layer at 16x16: the paper's feature pyramid attention (fpam), the spatial pyramid pooling that the paper "
        "compares it with (spp, needs tensorflow-addons), or none.",
        choices=("fpam", "spp", "none"),
    )
    pyramid_kernels: str = setting(
        "7,5,3,1", "Kernel sizes of the FPAM's one to four levels, largest map first; the paper has four."
    )
    pyramid_reduction: int = setting(
        4, "Divisor of the FPAM's width: its levels have 4*ngf divided by this many channels.", low=1, high=4096
    )
    pyramid_norm: bool = setting(True, "Batch norm after the last step of the FPAM's pyramid (ours).")
    fpam_residual: bool = setting(True, "Add the FPAM's input to its output (ours).")
    dense_depth: int = setting(4, "Layers of the dense block H_dense (ours: the paper does not say).", low=1, high=64)
    dense_growth: int = setting(
        32, "Channels that each layer of H_dense adds (ours: the paper does not say).", low=1, high=1024
    )
    attention_query: str = setting(
        "f2", "Query of the attention A_2: F2, as in Eq. 3, or the fused F_2f.", choices=("f2", "f2f")
    )
    fusion: str = setting(
        "fixed",
        "Fusion of the stages (Eq. 7 and 9): sums with coefficients fixed at 1; learned, starting from 1; or learned, "
        "starting from 0 (grown); concat, concatenation in their place; or none.",
        choices=("fixed", "learned", "grown", "concat", "none"),
    )
    stage_block: str = setting(
        "dense",
        "Block of stages 2 and 3: the paper's dense block H_dense, or residual blocks of the same cost.",
        choices=("dense", "residual"),
    )
    generator_stages: int = setting(
        3,
        "Stages of FF-GAN's generator: 3 (the paper), or 2, with F1 at S/2 and the image of F_2f: the first two of "
        "three at twice the S, which can begin with them (--init_from).",
        choices=(2, 3),
    )
    refine: int = setting(
        0,
        "Residual blocks on F_3f, before the image (ours; the paper has none): without, a 3x3 convolution alone "
        "makes the finest detail of a map that --up_filter has smoothed.",
        low=0,
        high=4,
    )
    enlarge: int = setting(
        0,
        "Let the stages end at S/2, double their last map (bilinear) and put so many residual blocks behind it, at S "
        "(ours; 1 is what was tried): a generator trained at S/2 then goes on at S as it is (--init_from). 0: the "
        "stages end at S (the paper).",
        low=0,
        high=4,
    )
    word_attention: bool = setting(True, "The word attention A_1 and A_2; without it stages 2 and 3 see I_s alone.")
    discriminators: int = setting(
        1,
        "Discriminators, each with an image of its own: 1, at S (the paper), or 3, at S/4, S/2 and S (AttnGAN).",
        choices=(1, 3),
    )
    condition: str = setting(
        "ca",
        "Condition of the discriminator's conditional head: I_s (ca), its mean (mu), or the sentence vector s.",
        choices=("ca", "mu", "sentence"),
    )
    normalise_sentence: bool = setting(
        True,
        "Scale the sentence vector s to a root mean square of 1 before the networks read it (ours: without it, I_s did "
        "not learn the sentence in our runs).",
        legacy_default=False,
    )

    lateral: str = setting(
        "nearest",
        'Upsampling of H_L1 and H_L2 (the paper says only "upsampling"): nearest, or bilinear, which leaves no blocks.',
        choices=("nearest", "bilinear"),
    )
    pyramid_upsampling: str = setting(
        "nearest",
        "Upsampling inside the FPAM's pyramid: nearest, or bilinear, which leaves no blocks.",
        choices=("nearest", "bilinear"),
    )
    up_filter: str = setting(
        "none",
        "Filter after the convolution of a nearest x2: none (AttnGAN); a blur with 1-2-1 in every up (blur), which "
        "makes it bilinear and leaves no grid; in those of stages 2 and 3 (late), and above S = 64 also at the end of "
        "stage 1, after the text pyramid (tail); in stage 3's alone (last); or in all but stage 3's (inner).",
        choices=tuple(SMOOTH_UPS),
    )
    edges: str = setting(
        "zero",
        "Padding after the text pyramid, from the end of stage 1 to the image: zeros (zero, AttnGAN), or the maps' "
        "edge pixels (repeat), which leaves no rim around the image.",
        choices=("zero", "repeat"),
    )
    d_filter: str = setting(
        "none",
        "Filter before the discriminator's stride-2 convolutions from the second on: none (AttnGAN), or a blur with "
        "1-2-1 against aliasing.",
        choices=("none", "blur"),
    )
    d_norm: str = setting(
        "batch", "D's normalisation: batch norm (AttnGAN), or none (DF-GAN).", choices=("batch", "none")
    )
    d_detail: float = setting(
        0.0,
        "Give D small branches of its own for fine detail: the image, its half and its quarter, each minus its 1-2-1 "
        "blur, times this, half and a quarter of this (ours; 15 is what was tried); 0: none.",
        low=0.0,
        high=1000.0,
    )
    d_projected: float = setting(
        0.0,
        "Weight of the losses of D's projected heads, which look at maps of a trained, frozen Inception-v3 "
        "(--trunk_weights) instead of the image (Sauer et al. 2021; 1 is what was tried); 0: none. Figures by the same "
        "network, such as FID, may then flatter the images.",
        low=0.0,
        high=1000.0,
    )
    d_side: int = setting(
        0,
        "Side of what D's trunk and projected heads look at: larger images reduced to it, so that a D trained at that "
        "S goes on at a larger one (--init_from). Only the branches of --d_detail then see all of S. 0: S (the paper).",
        choices=(0, 64, 128),
    )

    @property
    def kernels(self) -> tuple[int, ...]:
        """`pyramid_kernels` as integers."""
        return tuple(int(kernel) for kernel in self.pyramid_kernels.split(","))

    @property
    def smooth_ups(self) -> SmoothUps:
        """Which ups `--up_filter` blurs."""
        return SMOOTH_UPS[self.up_filter]

    @classmethod
    def of_family(cls, family: str, **settings: Any) -> "ModelConfig":
        """The family's defaults, with these settings over them."""
        defaults = {name: value for name, value in FACTS[family].defaults.items() if name in FIELDS}
        return cls(**{"family": family, **defaults, **settings})

    @property
    def map_side(self) -> int:
        """Side of the last stage's map."""
        return self.image_size // 2 if self.enlarge else self.image_size

    @property
    def f1_side(self) -> int:
        """Side of stage 1's map F1."""
        return self.map_side >> (self.generator_stages - 1)

    @property
    def tail(self) -> tuple[int, ...]:
        """Widths of stage 1's ups after the text pyramid, from 16×16 to F1."""
        return {16: (), 32: (self.ngf,), 64: (2 * self.ngf, self.ngf)}[self.f1_side]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the generator's images, small to large; each has a discriminator of its own."""
        side = self.image_size
        return (side // 4, side // 2, side) if self.discriminators == 3 else (side,)

    @property
    def judged_sides(self) -> tuple[int, ...]:
        """Sides of what the discriminators' trunks look at, small to large."""
        return (*self.sizes[:-1], self.d_side or self.image_size)

    @property
    def epsilon_dim(self) -> int:
        """Numbers of ε for an image: none without conditioning augmentation; in StackGAN's second stage those of its
        own, then those of the first stage's."""
        if not FACTS[self.family].augments:
            return 0
        return self.c_dim * (2 if self.family == "stackgan" and self.stage == 2 else 1)


FIELDS = tuple(field.name for field in dataclasses.fields(ModelConfig))
