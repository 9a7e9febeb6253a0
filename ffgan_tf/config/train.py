"""Settings of the GAN's training (docs/model.md sections 1 to 6)."""

import dataclasses
from typing import Any, ClassVar

from ffgan_tf.config.families import FACTS
from ffgan_tf.config.fields import Settings, group, setting
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.config.shared import INT32, LARGEST_RATE, AdamConfig, CaptionConfig, ScheduleConfig


@dataclasses.dataclass(frozen=True)
class TextConfig(CaptionConfig):
    """The frozen text encoder and its captions."""

    captions_mean: int = setting(
        1,
        "Captions of an image whose sentence vectors are averaged at each visit (4 in GAN-INT-CLS and StackGAN); "
        "word features are the first one's.",
        low=1,
        high=100,
    )
    captions_repeat: bool = setting(
        False,
        "Draw the captions of --captions_mean with replacement, as GAN-INT-CLS does. Off: all different, as far as an "
        "image has so many.",
    )

    text_encoder: str = setting(
        "",
        "Folder of a trained text encoder, or a model (file, shipped name) whose own it is to be; empty uses an "
        "untrained, frozen one, drawn from --seed.",
    )
    text_init_range: float = setting(
        1.0,
        "Range r of an untrained text encoder's embeddings, U(-r, r). AttnGAN starts its training from 0.1; "
        "frozen at that range, sentence vectors would be nearly alike.",
        low=0,
        high=1000,
    )
    text_forget_bias: float = setting(
        2.0,
        "Bias added to an untrained text encoder's forget gates, so that its sentence vector "
        "remembers more than the last few words (ours).",
        low=-100,
        high=100,
    )


@dataclasses.dataclass(frozen=True)
class OptimiserConfig(AdamConfig):
    """Both networks' optimisers, and the generator's moving average."""

    lr_g: float = setting(2e-4, "Adam's learning rate of the generator.", low=0, high=LARGEST_RATE)
    lr_d: float = setting(2e-4, "Adam's learning rate of the discriminator.", low=0, high=LARGEST_RATE)
    clip_norm: float = setting(
        0.0, "Largest norm of either network's gradient; 0 disables clipping.", low=0, high=LARGEST_RATE
    )
    ema_decay: float = setting(
        0.999, "Decay of the generator's exponential moving average (EMA), which draws the samples.", low=0, high=1
    )
    lr_halve_every: int = setting(
        0, "Epochs after which both learning rates are halved, again and again; 0 never halves them.", low=0, high=INT32
    )
    d_first: int = setting(
        0,
        "First steps in which the discriminator learns alone (G's learning rate is 0): a new D beside a G that draws "
        "already, by --init_from, tells its images apart too late otherwise.",
        low=0,
        high=INT32,
    )
    ema_warmup: bool = setting(
        True,
        "Cap the EMA's decay at (1+t)/(10+t) after t steps, so that a short run's average does "
        "not keep the initial weights. Without effect after 9,000 steps at --ema_decay=0.999.",
    )


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eq. 4 and 5, and optional additions to them."""

    loss_weights: str = setting(
        "paper",
        "Weights of the discriminator's loss terms: Eq. 4's 1/2 and 1/3 (paper), AttnGAN's, StackGAN-v2's, or those of "
        "GAN-CLS (1, 1/2, 1/2), whose discriminator has no unconditional head.",
        choices=("paper", "attngan", "gan_cls", "stackgan_v2"),
    )
    generator_weights: str = setting(
        "halves",
        "Weights of the generator's adversarial terms: Eq. 5's 1/2 each (halves), or 1 each (ones), as in all other "
        "families.",
        choices=("halves", "ones"),
    )
    fresh_noise: bool = setting(
        False,
        "Draw z and epsilon anew for the generator's step (as the code of GAN-INT-CLS and of StackGAN does), at the "
        "cost of a second pass through the generator; otherwise both networks' steps see the same fakes.",
    )
    interpolate: bool = setting(
        False,
        "Give the generator's step half a batch more samples, of texts halfway between two of the batch's "
        "(GAN-INT-CLS's interpolation). Implies a second pass, as --fresh_noise.",
    )
    kl_weight: float = setting(
        1.0, "Weight of the conditioning augmentation's KL term; 0 is the literal Eq. 5.", low=0, high=1e6
    )
    kl_warmup: int = setting(
        0,
        "Steps over which the weight of the KL term rises to --kl_weight (ours); 0: no rise.",
        low=0,
        high=INT32,
    )
    adversarial: str = setting(
        "log",
        "Form of the adversarial terms: Eq. 4's logarithms (log), hinges (hinge), or logarithms of differences to the "
        "real images' logits (relativistic, as in R3GAN).",
        choices=("log", "hinge", "relativistic"),
    )
    condition_gradient: str = setting(
        "none",
        "Where the gradient of D's output by its condition reaches conditioning augmentation: nowhere (none), or in "
        "the generator's step (g), as in StackGAN-v2.",
        choices=("none", "g"),
    )
    augment: str = setting(
        "",
        "Differentiable augmentation of all images that the discriminator sees, against few images: any of "
        "translation,cutout,colour; empty for none.",
    )
    d_blur: float = setting(
        0.0,
        "Standard deviation of a Gaussian blur of all images that the discriminator sees, at the first step, in 64ths "
        "of their side; it falls linearly to 0 over --d_blur_steps (as in StyleGAN3), so that coarse shapes come "
        "first. 0: none.",
        low=0,
        high=64,
    )
    d_blur_steps: int = setting(0, "Steps over which --d_blur falls to 0.", low=0, high=INT32)
    gradient_penalty: str = setting(
        "none",
        "Gradient penalty of the discriminator on real images, in float32 (the paper has none): r1, the squared "
        "gradient of D(t), or magp, DF-GAN's matching-aware one.",
        choices=("none", "r1", "magp"),
    )
    penalty_weight: float = setting(
        2.0,
        "Weight of --gradient_penalty: DF-GAN's 2 for magp; for r1, gamma/2, often 5.",
        low=0,
        high=1e6,
    )
    penalty_every: int = setting(
        1,
        "Steps between two gradient penalties; each is weighted by as many (lazy regularisation, StyleGAN2).",
        low=1,
        high=INT32,
    )
    damsm_weight: float = setting(
        0.0,
        "Weight of DAMSM's matching loss of the generated images in the generator's loss; 0, as in "
        "Eq. 5, or AttnGAN's 5 for birds. Needs --image_encoder.",
        low=0,
        high=1e6,
    )
    image_encoder: str = setting(
        "", "Folder of a trained image encoder (RUN/image_encoder of train_damsm), which --damsm_weight needs."
    )
    trunk_weights: str = setting(
        "imagenet",
        "Weights of Keras's InceptionV3 without its top (..._notop.h5), the trunk under --image_encoder and what "
        "--d_projected looks at: a file, or imagenet for the one in Keras's cache.",
        resumable=True,
        old_name="inception_weights",
    )

    @property
    def augmentations(self) -> tuple[str, ...]:
        """`augment` as names."""
        return tuple(self.augment.split(",")) if self.augment else ()


@dataclasses.dataclass(frozen=True)
class GanScheduleConfig(ScheduleConfig):
    """How long to train, and how often to sample and save."""

    sample_every: int = setting(500, "Steps between two sample grids.", low=1, high=INT32, resumable=True)
    checkpoint_every: int = setting(500, "Steps between two checkpoints.", low=1, high=INT32, resumable=True)
    grid_captions: int = setting(
        16,
        "Test captions in the sample grid; captions and noise are the same at every step.",
        low=1,
        high=64,
        resumable=True,
    )


PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclasses.dataclass(frozen=True)
class DeviceConfig:
    """Devices and arithmetic."""

    precision: str = setting(
        "float32",
        "Arithmetic of the networks; variables, losses, softmax, batch-norm statistics "
        "and logits stay float32. mixed_float16 scales its losses dynamically.",
        choices=PRECISIONS,
    )
    accumulate: int = setting(
        1,
        "Gradient accumulation: split each replica's batch into this many parts to save memory. Batch norm sees one "
        "part at a time.",
        low=1,
        high=65536,
    )
    refuse_oversize: bool = setting(
        False,
        "Refuse to start where the estimate of the memory that training needs is above what is there; off, only a "
        "warning says so.",
        resumable=True,
    )
    strategy: str = setting(
        "one",
        "Devices to train on: one, all GPUs of this machine (mirrored), or several machines by TF_CONFIG "
        "(multi_worker). --batch is over all of them.",
        choices=("one", "mirrored", "multi_worker"),
    )
    sync_batch_norm: bool = setting(
        False, "Compute batch-norm statistics over all replicas instead of each replica's own."
    )
    jit_compile: bool = setting(
        False, "Compile with XLA: the whole step on one device, the networks on several.", resumable=True
    )
    steps_per_call: int = setting(
        1,
        "Steps in one call of the compiled function; Ctrl-C and SIGTERM wait for all of them.",
        low=1,
        high=1_000_000,
        resumable=True,
    )


@dataclasses.dataclass(frozen=True)
class PeriodicFidConfig:
    """FID inside training."""

    eval_every: int = setting(
        0,
        "Steps between two FID evaluations inside training, which keep the checkpoint with the lowest FID as the best; "
        "0 never evaluates.",
        low=0,
        high=INT32,
        resumable=True,
    )
    eval_samples: int = setting(
        2048,
        "Test captions to generate images from in an evaluation inside training.",
        low=2,
        high=10_000_000,
        resumable=True,
    )
    eval_inception: str = setting(
        "fid2015",
        "Network of the features in an evaluation inside training: the one FID was published with (fid2015), or "
        "Keras's InceptionV3.",
        choices=("fid2015", "keras"),
        resumable=True,
    )
    eval_inception_weights: str = setting(
        "",
        "Weights file of the network of --eval_inception; optional for keras, whose file may be in Keras's cache.",
        resumable=True,
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """The settings of one training run of the GAN, in groups: `TrainConfig.of(batch=8).schedule.batch`."""

    kind: ClassVar[str] = "gan"
    command: ClassVar[str] = "ffgan_tf.train"

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
    init_from: str = setting(
        "",
        "Run or model (file, shipped name) of the same family that this run begins with: its generator (the EMA, as it "
        "samples) and, of a run, discriminators of images of the same size; each weight whose name and shape are the "
        "same here. Another --image_size, data set or loss is fine. "
        "StackGAN's stage 2 begins with stage 1's generator and keeps it. Read once: from then on the run's own "
        "checkpoints hold what it took.",
        resumable=True,
    )
    init_steps: int = setting(
        0,
        "With --init_from of an FF-GAN whose F1 is smaller (another --image_size or --generator_stages): steps before "
        "those of --steps, in which stage 1 alone learns to make what that generator's first two stages make of the "
        "same captions. Not saved before they are all done.",
        low=0,
        high=INT32,
        resumable=True,
    )
    model: ModelConfig = group(ModelConfig, "networks")
    text: TextConfig = group(TextConfig, "text encoder and captions")
    losses: LossConfig = group(LossConfig, "losses")
    optimisers: OptimiserConfig = group(OptimiserConfig, "optimisers")
    schedule: GanScheduleConfig = group(GanScheduleConfig, "schedule")
    devices: DeviceConfig = group(DeviceConfig, "devices and arithmetic")
    evaluation: PeriodicFidConfig = group(PeriodicFidConfig, "evaluation inside training")

    @classmethod
    def of_given(cls, **values: Any) -> "TrainConfig":
        """A new run's settings: those given, else the family's own (`families.FACTS`), else the fields' defaults."""
        facts = FACTS.get(values.get("family", ModelConfig().family))
        return cls.of(**{**(facts.defaults if facts else {}), **values})
