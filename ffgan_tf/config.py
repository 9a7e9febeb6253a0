"""Settings: declared once as dataclass fields, set by absl flags, kept with the run as JSON.

`define_flags(TrainConfig)` turns every field into a flag, so that `--help`, `--flagfile` and the command line come from
absl. Command-line flags beat the flag file wherever they stand (`flagfile_first`). A run's folder keeps the resolved
settings in `config.json`; `resolve` starts from them when the folder has them, so that `--run=DIR` alone continues.
"""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_json


def setting(
    default: Any,
    help_text: str,
    choices: Sequence | None = None,
    low: float | None = None,
    high: float | None = None,
    resumable: bool = False,
    legacy_default: Any = None,
) -> Any:
    """A dataclass field with its flag's help, its allowed values and whether a resumed run may change it freely.

    `legacy_default`: what a run was trained with whose folder does not name the setting, where that is not the default.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "help": help_text,
            "choices": choices,
            "low": low,
            "high": high,
            "resumable": resumable,
            "legacy_default": default if legacy_default is None else legacy_default,
        },
    )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What the networks are (spec sections 1 to 4)."""

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


@dataclasses.dataclass(frozen=True)
class TrainConfig(ModelConfig):
    """One training run of the GAN: the networks, the losses and the loop (spec sections 1 to 6)."""

    data: str = setting("", "Folder of the converted data set (manifest.json and TFRecord shards).", resumable=True)
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
    batch: int = setting(20, "Images a step, over all devices.", low=2)
    epochs: int = setting(600, "Passes over the training images.", low=1, resumable=True)
    steps: int = setting(0, "Steps to train; 0: as many as --epochs gives.", low=0, resumable=True)
    lr_g: float = setting(2e-4, "Adam's learning rate of the generator.", low=0)
    lr_d: float = setting(2e-4, "Adam's learning rate of the discriminator.", low=0)
    beta1: float = setting(0.5, "Adam's beta 1 of both networks.", low=0, high=1)
    beta2: float = setting(0.999, "Adam's beta 2 of both networks.", low=0, high=1)
    adam_epsilon: float = setting(1e-8, "Adam's epsilon of both networks.", low=0)
    kl_weight: float = setting(1.0, "Weight of the conditioning augmentation's KL term; 0 is the literal Eq. 5.", low=0)
    kl_warmup: int = setting(0, "Steps over which --kl_weight rises from 0 (ours); 0: none.", low=0)
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
    gradient_penalty: str = setting(
        "none",
        "Of D on real images, in float32 (the paper has none): R1's squared "
        "gradient of D(t), or magp, DF-GAN's matching-aware one.",
        choices=("none", "r1", "magp"),
    )
    penalty_weight: float = setting(2.0, "Its weight: DF-GAN's 2 for magp; for r1, gamma/2, often 5.", low=0)
    clip_norm: float = setting(0.0, "Largest norm of either network's gradient; 0: unbounded.", low=0)
    loss_weights: str = setting(
        "paper", "Grouping of D's five terms: Eq. 4's 1/2 and 1/3 (paper), or AttnGAN's.", choices=("paper", "attngan")
    )
    ema_decay: float = setting(0.999, "Decay of the generator's moving average.", low=0, high=1)
    ema_warmup: bool = setting(
        True,
        "Cap the decay at (1+t)/(10+t) after t steps, so that a short run's average does "
        "not keep the initial weights. Without effect after 9,000 steps at 0.999.",
    )
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
    seed: int = setting(1, "Everything random is a function of this number and the step.", low=0)
    max_minutes: float = setting(
        0, "Save and stop after so many minutes of this process; 0: no limit.", low=0, resumable=True
    )
    log_every: int = setting(20, "Steps between status and TensorBoard scalars.", low=1, resumable=True)
    sample_every: int = setting(500, "Steps between sample grids.", low=1, resumable=True)
    checkpoint_every: int = setting(500, "Steps between checkpoints.", low=1, resumable=True)
    keep_checkpoints: int = setting(3, "Newest checkpoints to keep.", low=1, resumable=True)
    eval_every: int = setting(
        0,
        "Steps between evaluations inside training; the checkpoint with the lowest FID is kept as the best. 0: none.",
        low=0,
        resumable=True,
    )
    eval_samples: int = setting(2048, "Test captions of such an evaluation.", low=2, resumable=True)
    eval_inception: str = setting("fid2015", "Its network.", choices=("fid2015", "keras"), resumable=True)
    eval_inception_weights: str = setting("", "Its weights file.", resumable=True)
    grid_captions: int = setting(16, "Test sentences in the fixed-noise sample grid.", low=1, high=64, resumable=True)


def check(config: Any) -> None:
    """Raises a UserError that names the first setting whose value is not allowed or contradicts another."""
    for field in dataclasses.fields(config):
        value, meta = getattr(config, field.name), field.metadata
        if meta["choices"] is not None and value not in meta["choices"]:
            raise UserError(f"--{field.name}={value}: must be one of {', '.join(map(str, meta['choices']))}.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{field.name}={value}: must be a finite number.")
        if meta["low"] is not None and value < meta["low"]:
            raise UserError(f"--{field.name}={value}: must be at least {meta['low']}.")
        if meta["high"] is not None and value > meta["high"]:
            raise UserError(f"--{field.name}={value}: must be at most {meta['high']}.")
    if isinstance(config, ModelConfig):
        try:
            kernels = config.kernels
        except ValueError:
            raise UserError(f"--pyramid_kernels={config.pyramid_kernels}: must be whole numbers, such as 7,5,3,1.")
        if not 1 <= len(kernels) <= 4 or any(kernel < 1 for kernel in kernels):
            raise UserError(
                f"--pyramid_kernels={config.pyramid_kernels}: one to four kernels (16x16 halves four "
                "times), each at least 1."
            )
        default_kernels = ModelConfig.__dataclass_fields__["pyramid_kernels"].default
        if config.pyramid != "fpam" and config.pyramid_kernels != default_kernels:
            raise UserError(
                f"--pyramid_kernels={config.pyramid_kernels} contradicts --pyramid={config.pyramid}: only "
                "fpam has kernels. Leave one of the two out."
            )
    if isinstance(config, TrainConfig):
        check_training(config)
    for name in ("text_init_range", "text_forget_bias") if isinstance(config, TrainConfig) else ():
        if config.text_encoder and getattr(config, name) != TrainConfig.__dataclass_fields__[name].default:
            raise UserError(
                f"--{name}={getattr(config, name)} contradicts --text_encoder={config.text_encoder}: it sets "
                "up an untrained encoder. Leave one of the two out."
            )


def check_training(config: TrainConfig) -> None:
    """Raises a UserError where two settings of the training contradict each other."""
    if config.batch % config.accumulate or config.batch == config.accumulate > 1:
        raise UserError(
            f"--accumulate={config.accumulate}: --batch={config.batch} must be a multiple of it, of two "
            "images a part at least, over which batch norm works."
        )
    if bool(config.damsm_weight) != bool(config.image_encoder):
        raise UserError(
            f"--damsm_weight={config.damsm_weight:g} and --image_encoder={config.image_encoder!r} need each "
            "other. Fix: give both, or neither."
        )
    if config.damsm_weight and not config.text_encoder:
        raise UserError(
            "--damsm_weight needs the text encoder that the image encoder was trained with. Fix: "
            "--text_encoder=RUN/text_encoder of the same run."
        )
    if config.sync_batch_norm and config.jit_compile and config.strategy != "one":
        raise UserError(
            "--sync_batch_norm and --jit_compile exclude each other on several devices: XLA compiles each "
            "replica by itself. Leave one of the two out."
        )
    if config.strategy == "multi_worker" and config.steps_per_call > 1:
        raise UserError(
            f"--steps_per_call={config.steps_per_call} is for one machine; leave it out with --strategy=multi_worker."
        )


def define_flags(config_class: type, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one absl flag for each field of `config_class`."""
    for field in dataclasses.fields(config_class):
        meta, kwargs = field.metadata, {"flag_values": flag_values}
        if meta["choices"] is not None and field.type is str:
            flags.DEFINE_enum(field.name, field.default, list(meta["choices"]), meta["help"], **kwargs)
        elif field.type is bool:
            flags.DEFINE_boolean(field.name, field.default, meta["help"], **kwargs)
        elif field.type is int:
            flags.DEFINE_integer(field.name, field.default, meta["help"], **kwargs)
        elif field.type is float:
            flags.DEFINE_float(field.name, field.default, meta["help"], **kwargs)
        else:
            flags.DEFINE_string(field.name, field.default, meta["help"], **kwargs)


def flagfile_first(argv: Sequence[str]) -> list[str]:
    """Moves every --flagfile behind the program's name, so that what the command line says comes later and wins."""
    program, *rest = argv
    files, others = [], []
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            others += [argument, *rest]
            break
        if argument in ("--flagfile", "-flagfile") and rest:
            files.append(f"--flagfile={rest.pop(0)}")
        elif argument.startswith(("--flagfile=", "-flagfile=")):
            files.append(argument)
        else:
            others.append(argument)
    for argument in files:
        path = Path(argument.split("=", 1)[1]).expanduser()
        if not path.is_file():
            raise UserError(f"--flagfile={path}: no such file. The recipes are in experiments/.")
    return [program, *files, *others]


def parse_flags(argv: Sequence[str]) -> list[str]:
    """absl's parser for `app.run(flags_parser=…)`, with `flagfile_first`; unknown flags end with exit code 2."""
    import sys

    try:
        return flags.FLAGS(flagfile_first(argv))
    except (flags.Error, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def config_path(run: str | Path) -> Path:
    """Where a run's folder keeps its settings."""
    return Path(run) / "config.json"


def save(config: Any, run: str | Path) -> None:
    """Writes the full resolved settings into the run's folder."""
    write_json(config_path(run), dataclasses.asdict(config))


def load(config_class: type, run: str | Path) -> Any:
    """Reads a run's settings. Raises UserError where the folder is none of a run, or its settings are not ours."""
    path = config_path(run)
    if not path.is_file():
        raise UserError(
            f"{path} is missing: --run={run} is not the folder of a run. Train one first: "
            "python -m ffgan_tf.train --flagfile=experiments/demo.cfg"
        )
    try:
        fields = dataclasses.fields(config_class)
        before = {field.name: field.metadata["legacy_default"] for field in fields}
        config = config_class(**{**before, **json.loads(path.read_text(encoding="utf-8"))})
        for field in fields:
            value = getattr(config, field.name)
            if type(value) not in ((int, float) if field.type is float else (field.type,)):
                raise TypeError(f"{field.name}: {value!r}")
        return config
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged or of another version ({error}). Fix: put the run's own file back.")


def differences(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Settings in which the two differ: name → (old, new)."""
    return {
        field.name: (getattr(old, field.name), getattr(new, field.name))
        for field in dataclasses.fields(old)
        if getattr(old, field.name) != getattr(new, field.name)
    }


def resolve(
    config_class: type, run: str | Path, allow_change: bool, flag_values: flags.FlagValues = flags.FLAGS
) -> tuple[Any, dict[str, tuple[Any, Any]]]:
    """The settings of a run: its folder's if it has some, under whatever flags were given; checked.

    Returns the settings and what they change in the folder's. Raises UserError where a changed setting is not resumable
    and `allow_change` is false.
    """
    names = [field.name for field in dataclasses.fields(config_class)]
    given = {name: flag_values[name].value for name in names if flag_values[name].present}
    if not config_path(run).is_file():
        config = config_class(**given)
        check(config)
        return config, {}
    old = load(config_class, run)
    config = dataclasses.replace(old, **given)
    check(config)
    changed = differences(old, config)
    resumable = {field.name for field in dataclasses.fields(config_class) if field.metadata["resumable"]}
    blocking = {name: pair for name, pair in changed.items() if name not in resumable}
    if blocking and not allow_change:
        listing = "; ".join(
            f"--{name}: {was!r} in {config_path(run)}, now {now!r}" for name, (was, now) in blocking.items()
        )
        raise UserError(
            f"the run was started with other settings. {listing}. Fix: leave those flags out, take another "
            "--run, or say --allow_config_change."
        )
    return config, changed
