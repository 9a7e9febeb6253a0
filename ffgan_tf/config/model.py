"""Settings of the networks (docs/model.md sections 1 to 4)."""

import dataclasses

from ffgan_tf.config.fields import setting


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What the networks are: image size, widths, noise, pyramid, dense blocks, attention, condition. Part of `TrainConfig`."""

    image_size: int = setting(256, "S, the side of the generated image in pixels.", choices=(64, 128, 256))
    ngf: int = setting(32, "Generator width; F1, F2 and F3 have ngf channels.", low=4)
    ndf: int = setting(64, "Discriminator width.", low=4)
    z_dim: int = setting(100, "Size of the noise vector z.", low=1)
    c_dim: int = setting(100, "Size c of the conditioning vector I_s.", low=1)
    pyramid: str = setting(
        "fpam",
        "What stands at 16x16: the paper's feature pyramid attention (fpam), its foil "
        "spatial pyramid pooling (spp, needs tensorflow-addons), or none.",
        choices=("fpam", "spp", "none"),
    )
    pyramid_kernels: str = setting("7,5,3,1", "Kernels of the FPAM's levels, largest map first; four in the paper.")
    pyramid_reduction: int = setting(4, "The pyramid's levels are 4ngf over this wide.", low=1)
    pyramid_norm: bool = setting(True, "Batch norm after the FPAM pyramid's last step (ours).")
    fpam_residual: bool = setting(True, "Add the FPAM's input to its output (ours).")
    dense_depth: int = setting(4, "Layers of H_dense (ours: the paper does not say).", low=1)
    dense_growth: int = setting(32, "Growth of H_dense (ours: the paper does not say).", low=1)
    attention_query: str = setting(
        "f2", "Query of A_2: F2 as Eq. 3 writes it, or the fused F_2f.", choices=("f2", "f2f")
    )
    fusion: str = setting(
        "fixed", "Coefficients of the sums in Eq. 7 and 9: fixed at 1, or learned from 1.", choices=("fixed", "learned")
    )
    condition: str = setting(
        "ca",
        "What D's conditional head sees: I_s (ca), its mean (mu), or the sentence vector s.",
        choices=("ca", "mu", "sentence"),
    )
    normalise_sentence: bool = setting(
        True,
        "Bring s to a root mean square of 1 before conditioning augmentation (ours: "
        "without it, I_s was not seen to learn the sentence).",
        legacy_default=False,
    )

    @property
    def kernels(self) -> tuple[int, ...]:
        """`pyramid_kernels` as numbers."""
        return tuple(int(kernel) for kernel in self.pyramid_kernels.split(","))
