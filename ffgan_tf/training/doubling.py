"""An FF-GAN generator that begins with the images of one of half its S, enlarged (`--init_from`).

Where S doubles, each map moves one place towards the text: what stage 2 made becomes F1, stage 3 becomes stage 2, and
the new stage 3 is hardly heard beside a lateral that only enlarges. So every layer goes on at the scale at which it was
trained, and what is new is the finest detail, as in progressive growing (Karras et al. 2018).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ffgan_tf.config import ModelConfig
from ffgan_tf.models import blocks, fast_ops
from ffgan_tf.models.generator import Generator
from ffgan_tf.run.encoder_files import weights_of
from ffgan_tf.training.growth import through_gates, widened

SUMS = ("fixed", "learned", "grown")  # values of --fusion whose laterals carry an image past a stage
ALIKE = ("ngf", "c_dim", "dense_depth", "dense_growth", "stage_block", "word_attention", "lateral", "discriminators")
GAIN = 0.15  # of a new stage 3: from 0, Adam had brought it to 0.005 in 300 steps
CHUNK = 8  # sentences whose patches are held at a time, for memory's sake
RIDGE = 1e-4  # of the squared patches' mean


class Texts(NamedTuple):
    """What a generator reads. B sentences."""

    sentence: tf.Tensor  # s (B, d)
    words: tf.Tensor  # e (B, T, d)
    mask: tf.Tensor  # (B, T) bool
    noise: tf.Tensor  # z (B, z_dim)
    epsilon: tf.Tensor  # ε (B, c)


def coarse(generator: tf.keras.Model, texts: Texts) -> tf.Tensor:
    """What its stage 1 has before the ups that S adds: (B, 16, 16, 4ngf)."""
    return generator.stage1.coarse(generator.augment(texts.sentence, texts.epsilon)[0], texts.noise)


def hindrance(larger: ModelConfig, smaller: ModelConfig) -> str | None:
    """The setting for which layers cannot move from one generator to the other, or an image not pass a stage;
    None: they can."""
    for name in ALIKE:
        if (own := getattr(larger, name)) != (other := getattr(smaller, name)):
            return f"--{name}={own}, there {other}"
    without = [config.fusion for config in (larger, smaller) if config.fusion not in SUMS]
    return f"--fusion={without[0]}" if without else None


def double(larger: Generator, smaller: Generator, texts: Texts, gain: float = GAIN) -> None:
    """Gives a generator the images of one of half its S, bilinearly enlarged (`--lateral=nearest`: by nearest
    neighbour), or one of two stages those of the same S: as nearly as its F1 can follow, by one up where the smaller
    one has a stage.

    Both are FF-GAN's, without a `hindrance`, the smaller one of three stages, and F_ca and stage 1 up to the last up
    already agree. `texts`: typical ones, to whose maps the up is fitted. `gain`: see `add_stage`.
    """
    *wider, last = larger.stage1.tail
    x = coarse(larger, texts)
    for up in wider:  # S = 256 from 128: as wide as two of the other's
        x = widened(up, weights_of(smaller.stage1), x)
    fit(last, x, smaller(*texts).features["F2f"])
    _shift(larger, smaller)
    if larger.three:
        add_stage(larger, gain)


def fit(up: blocks.Up, x: tf.Tensor, wanted: tf.Tensor) -> None:
    """Makes the up's map of x (B, H, W, C) as near to `wanted` (B, 2H, 2W, n) as a linear one can be.

    Least squares with a ridge for the kernel and bias of n = `filters` channels, with gates that hardly act; batch
    norm's statistics are those of x.
    """
    gram, moment = np.zeros(()), np.zeros(())
    for start in range(0, x.shape[0], CHUNK):
        part = slice(start, start + CHUNK)
        seen = _patches(up, x[part])
        gram, moment = gram + seen.T @ seen, moment + seen.T @ _numbers(wanted[part])
    size, n = len(gram), moment.shape[1]
    solved = np.linalg.solve(gram + RIDGE * np.trace(gram) / size * np.eye(size), moment)
    kernel = up.conv.kernel.numpy()
    kernel[..., :n] = solved[:-1].reshape(*kernel.shape[:-1], n)
    up.conv.kernel.assign(kernel)
    through_gates(up, x, n, solved[-1])


def _patches(up: blocks.Up, x: tf.Tensor) -> np.ndarray:
    """What the up's kernel is multiplied with, and a one for the bias: (pixels, 9C + 1) float64."""
    x = blocks.nearest_up(tf.cast(x, tf.float32))
    x = fast_ops.repeat_edges(x) if up.conv.edges else tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    seen = tf.image.extract_patches(x, [1, 3, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1], "VALID")
    seen = _numbers(blocks.blur(seen) if up.smooth else seen)
    return np.concatenate([seen, np.ones((len(seen), 1))], axis=1)


def _numbers(x: tf.Tensor) -> np.ndarray:
    """(b, H, W, C) → (pixels, C) float64."""
    return np.float64(tf.cast(x, tf.float32)).reshape(-1, x.shape[-1])


def _shift(larger: Generator, smaller: Generator) -> None:
    """Stage 2 and what it reads: the smaller one's third, which works at the same scale. Heads: those of the images."""
    if larger.attend1 is not None:
        _copy(smaller.attend2, larger.attend1)
    _copy(smaller.stage3, larger.stage2)
    # F_3f = F3 + H_L2(b F2 + c F1') there is F_2f = F2 + a H_L1(F1) here, with its F_2f as F1.
    through = 1.0 if smaller.fuse is None else float(smaller.fuse[1].numpy())
    kernel = smaller.lateral2.conv.kernel.numpy()
    larger.lateral1.conv.kernel.assign(through * kernel if larger.fuse is None else kernel)
    if larger.fuse is not None:
        larger.fuse[0].assign(through)
    theirs = [smaller.to_image, smaller.to_image, *smaller.small_heads[::-1]]  # from the largest image on
    for head, their in zip([larger.to_image, *larger.small_heads[::-1]], theirs):
        _copy(their, head)


def add_stage(generator: Generator, gain: float = GAIN) -> None:
    """Gives it the images that its F_2f would make, enlarged: stage 3 is hardly heard beside a lateral that enlarges.

    Stage 3 and A_2 begin as stage 2 and A_1, but for `gain`, the γ of its values: F3 is proportional to it. So is what
    the blocks of `--refine` add.
    """
    if generator.attend2 is not None:
        _copy(generator.attend1, generator.attend2)
    _copy(generator.stage2, generator.stage3)
    norm = generator.stage3.up.norm
    for variable, start in ((norm.gamma, gain), (norm.beta, 0.0)):
        value = variable.numpy()
        value[: len(value) // 2] = start  # the values; their gates stay
        variable.assign(value)
    for block in generator.refine:  # they have learnt no detail of this S
        block.norm2.gamma.assign(gain * tf.ones_like(block.norm2.gamma))
        block.norm2.beta.assign(tf.zeros_like(block.norm2.beta))
    kernel = generator.lateral2.conv.kernel
    kernel.assign(np.eye(kernel.shape[-1], dtype=kernel.dtype.as_numpy_dtype)[None, None])
    if generator.fuse is not None:  # F_3f = H_L2(F_2f)
        generator.fuse[1].assign(1.0)
        generator.fuse[2].assign(float(generator.fuse[0].numpy()))


def _copy(source: tf.keras.layers.Layer, target: tf.keras.layers.Layer) -> None:
    """All weights of a layer of the same shape."""
    for value, variable in zip(source.variables, target.variables, strict=True):
        variable.assign(value)
