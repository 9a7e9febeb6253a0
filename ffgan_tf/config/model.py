"""Settings of the networks (docs/model.md sections 1 to 4)."""

import dataclasses

from ffgan_tf.config.fields import setting


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Architecture of the networks: image size, widths, noise, pyramid, dense blocks, attention, condition.

    Part of `TrainConfig`.
    """

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
        "Coefficients of the sums in Eq. 7 and 9: fixed at 1, or learned, starting from 1.",
        choices=("fixed", "learned"),
    )
    condition: str = setting(
        "ca",
        "Condition of the discriminator's conditional head: I_s (ca), its mean (mu), or the sentence vector s.",
        choices=("ca", "mu", "sentence"),
    )
    normalise_sentence: bool = setting(
        True,
        "Scale the sentence vector s to a root mean square of 1 before conditioning augmentation (ours: "
        "without it, I_s did not learn the sentence in our runs).",
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
        "makes it bilinear and leaves no grid; or in all but stage 3's (inner).",
        choices=("none", "inner", "blur"),
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

    @property
    def kernels(self) -> tuple[int, ...]:
        """`pyramid_kernels` as integers."""
        return tuple(int(kernel) for kernel in self.pyramid_kernels.split(","))
