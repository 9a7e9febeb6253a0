"""Which values are allowed, and which settings contradict each other. All mistakes are UserErrors naming the flag."""

import dataclasses
import math

from ffgan_tf.config.families import FACTS, reads
from ffgan_tf.config.fields import Settings
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.config.train import TextConfig, TrainConfig
from ffgan_tf.utils.errors import UserError


def check(config: Settings) -> None:
    """Raises a UserError that names the first setting whose value is not allowed or contradicts another."""
    for field, value in zip((field for _, field in config.fields()), config.flat().values()):
        check_value(field, value)
    if isinstance(config, TrainConfig):
        check_family(config.model)
        check_model(config.model)
        check_stages(config.model)
        check_judged(config.model)
        check_training(config)


def check_value(field: dataclasses.Field, value: object) -> None:
    """Raises a UserError where a setting's value is not among its choices, not finite, or out of bounds."""
    meta = field.metadata
    if meta["choices"] is not None and value not in meta["choices"]:
        raise UserError(f"--{field.name}={value}: must be one of {', '.join(map(str, meta['choices']))}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{field.name}={value}: must be a finite number.")
    if meta["low"] is not None and value < meta["low"]:
        raise UserError(f"--{field.name}={value}: must be at least {meta['low']}.")
    if meta["high"] is not None and value > meta["high"]:
        raise UserError(f"--{field.name}={value}: must be at most {meta['high']}.")


def check_family(config: ModelConfig) -> None:
    """Raises a UserError where a setting is not for this family of networks."""
    facts, defaults = FACTS[config.family], ModelConfig.of_family(config.family)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != getattr(defaults, field.name) and not reads(config.family, field.name):
            raise UserError(f"--{field.name}={value}: {facts.label} has no such part. Fix: leave it out.")
    sides = facts.sides if config.family != "stackgan" else (facts.sides[config.stage - 1],)
    if config.image_size not in sides:
        raise UserError(
            f"--image_size={config.image_size}: {facts.label}{f', stage {config.stage},' * (len(facts.sides) == 2)} "
            f"draws images of {', '.join(map(str, sides))} pixels. Fix: --image_size={sides[-1]}."
        )
    if config.condition not in facts.conditions:
        raise UserError(
            f"--condition={config.condition}: {facts.label}'s discriminator has {', '.join(facts.conditions)}. Fix: "
            f"--condition={defaults.condition}."
        )


def check_model(config: ModelConfig) -> None:
    """Raises a UserError where the pyramid's settings describe no valid pyramid."""
    try:
        kernels = config.kernels
    except ValueError:
        raise UserError(
            f"--pyramid_kernels={config.pyramid_kernels}: must be whole numbers, such as 7,5,3,1."
        ) from None
    if not 1 <= len(kernels) <= 4 or any(kernel < 1 for kernel in kernels):
        raise UserError(
            f"--pyramid_kernels={config.pyramid_kernels}: one to four kernels (16x16 halves four "
            "times), each at least 1. Fix: 7,5,3,1."
        )
    if max(kernels) > 64:
        raise UserError(f"--pyramid_kernels={config.pyramid_kernels}: each must be at most 64; the map is 16x16.")
    if config.pyramid_reduction > 4 * config.ngf:
        raise UserError(
            f"--pyramid_reduction={config.pyramid_reduction}: must be at most 4*ngf, which is {4 * config.ngf} at "
            f"--ngf={config.ngf}; no channel would be left."
        )
    if config.pyramid != "fpam" and config.pyramid_kernels != ModelConfig().pyramid_kernels:
        raise UserError(
            f"--pyramid_kernels={config.pyramid_kernels} contradicts --pyramid={config.pyramid}: only "
            "fpam has kernels. Fix: leave one of the two out."
        )


def check_stages(config: ModelConfig) -> None:
    """Raises a UserError where two stages are asked for what three have, or a last doubling where it has no place."""
    if config.enlarge and config.discriminators == 3:
        raise UserError(
            f"--enlarge={config.enlarge}: of --discriminators=3 each judges the image of a stage, and S has none. "
            "Fix: leave it out."
        )
    if config.enlarge and config.f1_side < 16:
        raise UserError(
            f"--enlarge={config.enlarge}: at --image_size={config.image_size} F1 would be smaller than the text "
            "pyramid's map. Fix: a larger --image_size, or leave it out."
        )
    if config.generator_stages == 2 and config.f1_side > 64:
        raise UserError(
            "--generator_stages=2: no --image_size has twice the S of --image_size=256. Fix: --image_size=128, or 64."
        )
    if config.generator_stages == 2 and config.discriminators == 3:
        raise UserError("--discriminators=3: two stages have no three images. Fix: leave --generator_stages out.")


def check_judged(config: ModelConfig) -> None:
    """Raises a UserError where D would look at larger images than there are, or at no fine detail."""
    if not config.d_side:
        return
    if config.discriminators == 3:
        raise UserError(
            f"--d_side={config.d_side}: of --discriminators=3 two judge smaller images already. Fix: leave it out."
        )
    if config.d_side >= config.image_size:
        raise UserError(
            f"--d_side={config.d_side}: the images have {config.image_size} pixels a side. Fix: leave it out, or a "
            "smaller one."
        )
    if not config.d_detail:
        raise UserError(
            f"--d_side={config.d_side}: nothing would judge what is finer than that. Fix: --d_detail=15 with it, or "
            "leave it out."
        )


def check_heads(config: TrainConfig) -> None:
    """Raises a UserError where losses are asked for that this family's discriminators have no heads for, or samples
    that they cannot judge."""
    losses, facts = config.losses, FACTS[config.model.family]
    if (losses.loss_weights == "gan_cls") == facts.unconditional:
        fitting = "paper, attngan or stackgan_v2" if facts.unconditional else "gan_cls"
        raise UserError(
            f"--loss_weights={losses.loss_weights}: {facts.label}'s discriminator has "
            f"{'an' if facts.unconditional else 'no'} unconditional head. Fix: --loss_weights={fitting}."
        )
    if losses.gradient_penalty == "r1" and not facts.unconditional:
        raise UserError(
            f"--gradient_penalty=r1: {facts.label}'s discriminator has no unconditional head. Fix: "
            "--gradient_penalty=magp, or none."
        )
    if config.model.d_detail and not facts.unconditional:
        raise UserError(
            f"--d_detail={config.model.d_detail:g}: {facts.label}'s discriminator has no unconditional head. Fix: "
            "leave it out."
        )
    if losses.interpolate and losses.adversarial == "relativistic":
        raise UserError(
            "--interpolate and --adversarial=relativistic exclude each other: a text between two has no real image. "
            "Fix: leave one of the two out."
        )
    if losses.damsm_weight and (losses.interpolate or config.text.captions_mean > 1):
        raise UserError(
            f"--damsm_weight={losses.damsm_weight:g} wants images of one caption each. Fix: leave it out, or "
            "--captions_mean and --interpolate."
        )
    if config.model.stage == 2 and not config.init_from:
        raise UserError("--stage=2 begins with the generator of a stage 1. Fix: --init_from=RUN, the run of stage 1.")


def check_training(config: TrainConfig) -> None:
    """Raises a UserError where two settings of the training contradict each other."""
    if config.schedule.batch % config.devices.accumulate or config.schedule.batch == config.devices.accumulate > 1:
        raise UserError(
            f"--accumulate={config.devices.accumulate}: --batch={config.schedule.batch} must be a multiple of it, with "
            "at least two images in each part for batch norm. Fix: another --accumulate."
        )
    if config.init_steps and (not config.init_from or config.model.family != "ffgan"):
        raise UserError(
            f"--init_steps={config.init_steps}: FF-GAN's stage 1 learns from the smaller generator of --init_from. "
            "Fix: name one, or leave it out."
        )
    known = ("translation", "cutout", "colour")
    if not set(config.losses.augmentations) <= set(known) or len(set(config.losses.augmentations)) != len(
        config.losses.augmentations
    ):
        raise UserError(f"--augment={config.losses.augment}: must be some of {','.join(known)}, each once.")
    if bool(config.losses.d_blur) != bool(config.losses.d_blur_steps):
        raise UserError(
            f"--d_blur={config.losses.d_blur:g} and --d_blur_steps={config.losses.d_blur_steps} need each other. Fix: "
            "give both, or neither."
        )
    check_heads(config)
    if bool(config.losses.damsm_weight) != bool(config.losses.image_encoder):
        raise UserError(
            f"--damsm_weight={config.losses.damsm_weight:g} and --image_encoder={config.losses.image_encoder!r} need "
            "each other. Fix: give both, or neither."
        )
    if config.losses.damsm_weight and not config.text.text_encoder:
        raise UserError(
            "--damsm_weight needs the text encoder that the image encoder was trained with. Fix: "
            "--text_encoder=RUN/text_encoder of the same run."
        )
    if config.devices.sync_batch_norm and config.devices.jit_compile and config.devices.strategy != "one":
        raise UserError(
            "--sync_batch_norm and --jit_compile exclude each other on several devices: XLA compiles each "
            "replica separately. Fix: leave one of the two out."
        )
    if config.devices.strategy == "multi_worker" and config.devices.steps_per_call > 1:
        raise UserError(
            f"--steps_per_call={config.devices.steps_per_call} is for one machine. Fix: leave it out "
            "with --strategy=multi_worker."
        )
    for name in ("text_init_range", "text_forget_bias") if config.text.text_encoder else ():
        if getattr(config.text, name) != getattr(TextConfig(), name):
            raise UserError(
                f"--{name}={getattr(config.text, name)} contradicts --text_encoder={config.text.text_encoder}: it "
                "initialises an untrained encoder. Fix: leave one of the two out."
            )
