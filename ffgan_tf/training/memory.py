"""How much memory a GAN's training will take, before its networks are built: a closed form of the settings, calibrated.

A machine without that much ends the process without a word (the kernel does), and a GPU after minutes of compiling.
"""

import math
import os
import sys
from pathlib import Path
from typing import NamedTuple

from ffgan_tf.compat import gpu_memory
from ffgan_tf.config import TrainConfig
from ffgan_tf.config.model import ModelConfig
from ffgan_tf.models.discriminator import OCTAVES
from ffgan_tf.models.projected import LEAST_SIDE, LOGIT_SIDE, WIDTH, map_sides
from ffgan_tf.utils.errors import UserError

GIB = 2**30
PROGRAM = 0.85 * GIB  # Python, TensorFlow and the compiled step, measured
KEPT = 1.56  # bytes held at the peak over those of the maps that `activations` counts, measured (docs/training.md)
FROZEN_MAPS = 137  # numbers in the maps of Inception-v3 up to Mixed_6e, for a pixel of its images
FROZEN_WEIGHTS = 9e6 + 2 * 21.8e6  # its own, and all of Inception-v3's twice, which reading the file leaves behind
FLOAT = 4  # bytes; mixed precision saves less than half on a CPU, and is not counted


class Need(NamedTuple):
    """Bytes a training needs on one device."""

    program: float
    data: float  # encoded images of both splits
    state: float  # weights, gradients, both moments of Adam, the moving average
    activations: float  # of one part of the batch (--accumulate), both networks, forwards and backwards

    def total(self) -> float:
        """All of it."""
        return sum(self)


def up_width(channels_in: int, channels: int) -> int:
    """Weights of `up(C)`: conv3×3 to 2C (docs/model.md section 3)."""
    return 9 * channels_in * 2 * channels


def generator_weights(config: ModelConfig) -> int:
    """G's kernels by docs/model.md section 3, without batch norm, biases and the pyramid's last convolutions."""
    ngf, c, width = config.ngf, config.c_dim, 4 * config.ngf
    total = 2 * 256 * c * 2 + (c + config.z_dim) * 16 * 32 * ngf
    total += up_width(16 * ngf, 8 * ngf) + up_width(8 * ngf, width)
    total += (width + c) * width + 9 * width * 3 * width
    if config.pyramid == "fpam":
        level = max(width // config.pyramid_reduction, 1)
        kernels = [int(kernel) for kernel in config.pyramid_kernels.split(",")]
        total += sum(kernel**2 * level * ((level if i else width) + level) for i, kernel in enumerate(kernels))
        total += 2 * width * width + level * width
    steps = [width, *config.tail]
    total += sum(up_width(a, b) for a, b in zip(steps, steps[1:])) + (4 * ngf * ngf if len(steps) == 1 else 0)
    read, grown = 2 * ngf + c, config.dense_growth
    stage = sum(9 * (read + i * grown) * 2 * grown for i in range(config.dense_depth))
    stage += (read + config.dense_depth * grown) * read + up_width(read, ngf)
    refine = (config.refine + config.enlarge) * 27 * ngf * ngf
    return total + (config.generator_stages - 1) * (stage + ngf * ngf + 256 * ngf) + refine + 27 * ngf


def discriminator_weights(config: ModelConfig) -> int:
    """D's kernels by docs/model.md section 4, without those of the network under its projected heads."""
    ndf, downs = config.ndf, int(math.log2(config.judged_sides[-1] // 4))
    condition = 256 if config.condition == "sentence" else config.c_dim
    trunk = 48 * ndf + sum(16 * ndf * 2 ** (i - 1) * ndf * 2**i for i in range(1, downs))
    trunk += 9 * ndf * 2 ** (downs - 1) * 16 * ndf + 9 * 16 * ndf * 8 * ndf
    detail = OCTAVES * (24 * ndf + 40 * ndf * ndf + 2 * ndf) if config.d_detail else 0
    projected = _heads(config.judged_sides[-1]) if config.d_projected else 0
    return trunk + detail + projected + 9 * (8 * ndf + condition) * 8 * ndf + 2 * 16 * 8 * ndf


def _heads(side: int) -> int:
    """Weights of the projected heads: 4×4 convolutions to at most 8×8, or one 3×3, and 4×4 to a logit."""
    halvings = (math.ceil(math.log2(n / LOGIT_SIDE)) if n > LOGIT_SIDE else 0 for n in map_sides(side))
    return sum((16 * n if n else 9) * WIDTH * WIDTH + 16 * WIDTH for n in halvings)


def activations(config: TrainConfig) -> int:
    """Numbers in the maps that one image leaves for the backward pass: convolution, batch norm and activation of each
    layer of G, and of D on a real and a generated image."""
    model = config.model
    ngf, grown, smooth_ups = model.ngf, model.dense_growth, model.smooth_ups

    def up(side: int, channels: int, smooth: bool = smooth_ups.stage1) -> int:
        return side * side * channels * (7 if smooth else 5)

    total = up(8, 8 * ngf) + up(16, 4 * ngf) + 16 * 16 * 4 * ngf * 20
    total += sum(up(32 * 2**i, width, smooth_ups.tail) for i, width in enumerate(model.tail))
    for i, smooth in enumerate((smooth_ups.stage2, smooth_ups.stage3)[: model.generator_stages - 1]):
        side = model.f1_side * 2**i
        dense = sum(5 * grown + 2 * ngf + i * grown for i in range(model.dense_depth))
        attention = 3 * config.text.max_words + 2 * ngf
        total += side * side * (dense + attention) + up(2 * side, ngf, smooth) + 4 * side * side * 2 * ngf
    side, judged = model.image_size, model.judged_sides[-1]
    total += (model.refine * model.map_side**2 + model.enlarge * side**2) * ngf * 7
    of_image = sum(3 * model.ndf * 2**i * (judged >> i + 1) ** 2 for i in range(int(math.log2(judged // 4))))
    if model.d_detail:  # without batch norm
        octaves = sum(0.25**octave for octave in range(OCTAVES))
        of_image += sum(int(model.ndf * 2**i * (side >> i + 1) ** 2 * octaves) for i in range(3))
    of_image += 16 * model.ndf * 24 * 3
    if model.d_projected:  # the frozen network's maps, once: D's own step does not go back through it
        total += FROZEN_MAPS * max(judged, LEAST_SIDE) ** 2
    seen = 2 if config.losses.gradient_penalty == "none" else 4  # second derivatives keep as much again
    return total + seen * of_image


def need(config: TrainConfig, data_bytes: int, replicas: int = 1) -> Need:
    """The memory of one training process; `data_bytes`: of the records. On several replicas, of one of them."""
    generator, discriminator = generator_weights(config.model), discriminator_weights(config.model)
    part = config.schedule.batch // (replicas * config.devices.accumulate)
    maps = FLOAT * KEPT * activations(config) * part
    frozen = FROZEN_WEIGHTS if config.model.d_projected else 0
    return Need(PROGRAM, data_bytes, FLOAT * (5 * generator + 4 * discriminator + frozen), maps)


def available() -> float:
    """Bytes that this process may still take and has: free memory of the machine, or of its control group."""
    found = [math.inf]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")))
        limit = Path("/sys/fs/cgroup/memory.max")
        if limit.is_file() and limit.read_text().strip().isdigit():
            found.append(int(limit.read_text()) - int(Path("/sys/fs/cgroup/memory.current").read_text()))
        own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, StopIteration, IndexError):
        return math.inf  # not Linux: unknown
    return min(found) + own


def check_memory(config: TrainConfig, replicas: int) -> None:
    """`check_fits` with the memory of this machine, or of its smallest GPU; for FF-GAN's networks, whose size is known
    beforehand. After the strategy is made."""
    if config.model.family != "ffgan":
        return
    gpu = gpu_memory()
    apart = gpu is not None or config.devices.strategy == "multi_worker"  # replicas on CPU share this process's memory
    check_fits(config, available() if gpu is None else gpu, replicas if apart else 1)


def check_fits(config: TrainConfig, free: float, replicas: int = 1) -> None:
    """A warning where the training will not fit into `free` bytes; UserError with --refuse_oversize."""
    data = sum(path.stat().st_size for path in Path(config.data).glob("*.tfrecord"))
    wanted = need(config, data, replicas)
    if wanted.total() <= free:
        return
    parts = ", ".join(f"{name} {size / GIB:.1f}" for name, size in zip(Need._fields, wanted))
    batch = config.schedule.batch
    problem = (
        f"this training needs about {wanted.total() / GIB:.1f} GiB of memory ({parts}), and {free / GIB:.1f} GiB are "
        f"there. Fix: --accumulate={2 * config.devices.accumulate} or --batch={max(2, batch // 2)}, with "
        "--allow_config_change, or a smaller --image_size, --ngf or --ndf in a new run"
    )
    if config.devices.refuse_oversize:
        raise UserError(f"{problem}; or --norefuse_oversize, the figure being an estimate.")
    print(f"warning: {problem}. The figure is an estimate; training starts.", file=sys.stderr, flush=True)
