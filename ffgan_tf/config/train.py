"""Settings of the GAN's training (docs/model.md sections 1 to 6)."""

import dataclasses

from ffgan_tf.config.fields import Settings, group, setting
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.config.shared import AdamConfig, ScheduleConfig


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """The frozen text encoder and its captions."""

    text_encoder: str = setting("", "Folder of a trained text encoder; empty: an untrained one, drawn from the seed.")
    text_init_range: float = setting(
        1.0,
        "Range of the embeddings of an untrained encoder, U(-r, r). (AttnGAN starts "
        "its training from 0.1; frozen there, sentences would be nearly alike.)",
        low=0,
    )
    text_forget_bias: float = setting(
        2.0,
        "Added to the untrained encoder's forget gates, so that its sentence vector "
        "remembers more than the last few words (ours).",
    )
    max_words: int = setting(
        18, "Words T a training caption may have; a longer one keeps a random subset in order.", low=1
    )


@dataclasses.dataclass(frozen=True)
class OptimiserConfig(AdamConfig):
    """Both networks' optimisers, and the generator's moving average."""

    lr_g: float = setting(2e-4, "Adam's learning rate of the generator.", low=0)
    lr_d: float = setting(2e-4, "Adam's learning rate of the discriminator.", low=0)
    clip_norm: float = setting(0.0, "Largest norm of either network's gradient; 0: unbounded.", low=0)
    ema_decay: float = setting(0.999, "Decay of the generator's moving average.", low=0, high=1)
    ema_warmup: bool = setting(
        True,
        "Cap the decay at (1+t)/(10+t) after t steps, so that a short run's average does "
        "not keep the initial weights. Without effect after 9,000 steps at 0.999.",
    )


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eq. 4 and 5, and what may be added to them."""

    loss_weights: str = setting(
        "paper", "Grouping of D's five terms: Eq. 4's 1/2 and 1/3 (paper), or AttnGAN's.", choices=("paper", "attngan")
    )
    kl_weight: float = setting(1.0, "Weight of the conditioning augmentation's KL term; 0 is the literal Eq. 5.", low=0)
    kl_warmup: int = setting(0, "Steps over which --kl_weight rises from 0 (ours); 0: none.", low=0)
    gradient_penalty: str = setting(
        "none",
        "Of D on real images, in float32 (the paper has none): R1's squared "
        "gradient of D(t), or magp, DF-GAN's matching-aware one.",
        choices=("none", "r1", "magp"),
    )
    penalty_weight: float = setting(2.0, "Its weight: DF-GAN's 2 for magp; for r1, gamma/2, often 5.", low=0)
    damsm_weight: float = setting(
        0.0,
        "Weight of DAMSM's matching loss of the generated images in G's loss; 0, as in "
        "Eq. 5, or AttnGAN's 5 for birds. Needs --image_encoder.",
        low=0,
    )
    image_encoder: str = setting(
        "", "Folder of a trained image encoder (train_damsm's RUN/image_encoder), for --damsm_weight."
    )
    inception_weights: str = setting(
        "imagenet", "Weights under that image encoder: a file, or imagenet, the one in Keras's cache.", resumable=True
    )


@dataclasses.dataclass(frozen=True)
class GanScheduleConfig(ScheduleConfig):
    """How long to train, and what is due when."""

    sample_every: int = setting(500, "Steps between sample grids.", low=1, resumable=True)
    checkpoint_every: int = setting(500, "Steps between checkpoints.", low=1, resumable=True)
    grid_captions: int = setting(16, "Test sentences in the fixed-noise sample grid.", low=1, high=64, resumable=True)


@dataclasses.dataclass(frozen=True)
class DeviceConfig:
    """What computes, in which arithmetic."""

    precision: str = setting(
        "float32",
        "Arithmetic of the networks; variables, losses, softmax, batch-norm statistics "
        "and logits stay float32. mixed_float16 scales its losses dynamically.",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    accumulate: int = setting(
        1,
        "Parts in which each replica works its share of the batch off, one after the other: the "
        "whole batch's gradients (batch norm sees a part) in a part's memory.",
        low=1,
    )
    strategy: str = setting(
        "one",
        "Devices: one; all GPUs of this machine (mirrored); several machines by TF_CONFIG "
        "(multi_worker). --batch is over all of them.",
        choices=("one", "mirrored", "multi_worker"),
    )
    sync_batch_norm: bool = setting(False, "Batch-norm statistics over all replicas instead of each one's own.")
    jit_compile: bool = setting(
        False, "Compile with XLA: the whole step on one device, the networks on several.", resumable=True
    )
    steps_per_call: int = setting(
        1, "Steps in one call of the compiled function; a signal waits for them.", low=1, resumable=True
    )


@dataclasses.dataclass(frozen=True)
class PeriodicFidConfig:
    """FID inside training."""

    eval_every: int = setting(
        0,
        "Steps between evaluations inside training; the checkpoint with the lowest FID is kept as the best. 0: none.",
        low=0,
        resumable=True,
    )
    eval_samples: int = setting(2048, "Test captions of such an evaluation.", low=2, resumable=True)
    eval_inception: str = setting("fid2015", "Its network.", choices=("fid2015", "keras"), resumable=True)
    eval_inception_weights: str = setting("", "Its weights file.", resumable=True)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """The settings of one training run of the GAN, in groups: `TrainConfig.of(batch=8).schedule.batch`."""

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
    model: ModelConfig = group(ModelConfig, "networks")
    text: TextConfig = group(TextConfig, "text encoder and captions")
    losses: LossConfig = group(LossConfig, "losses")
    optimisers: OptimiserConfig = group(OptimiserConfig, "optimisers")
    schedule: GanScheduleConfig = group(GanScheduleConfig, "schedule")
    devices: DeviceConfig = group(DeviceConfig, "devices and arithmetic")
    evaluation: PeriodicFidConfig = group(PeriodicFidConfig, "evaluation inside training")
