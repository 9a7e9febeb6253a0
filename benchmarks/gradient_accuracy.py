"""How exact float32's gradients are, and why:   python benchmarks/gradient_accuracy.py --image_size=256 --draws=6

The gradients of tiny networks (ngf 4, ndf 4, batch 4) on random images are computed in float64 and in float32, by the
same weights and inputs: with the project's layers as they are, with batch norm whose sums over a map are made in three
stages (over columns, rows, images), and with the plain convolutions of TensorFlow in place of the CPU's fast forms. The
error of a gradient is |g32 - g64| / |g64|, over all weights of both networks. Where rounding changes the sign of an
input of ReLU or LeakyReLU, the gradient jumps: these are counted, too.

Before that, one batch norm alone: the error of its variance and output at S = 64 and 256 (PyTorch's too, where it is
installed), and the processor time of both forms.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf import compat
from ffgan_tf.config import TrainConfig
from ffgan_tf.models import blocks, build, cpu_convolutions

BATCH, WORDS = 4, 5
NORM = compat.BatchNormalization.call
JUMP = 1e-4  # above it a sign has changed before an activation: rounding alone gives some 1e-6


def staged_mean(x: tf.Tensor) -> tf.Tensor:
    """The mean of a map (B, H, W, C) over all but its channels: no float32 sum has more than H, W or B terms."""
    return tf.reduce_mean(tf.reduce_mean(tf.reduce_mean(x, 2), 1), 0)


def staged_norm(self, x, training=None):
    """Batch norm by such means, in `BatchNormalization.call`'s place; of vectors as it is."""
    if x.shape.rank != 4:
        return NORM(self, x, training=training)
    mean = staged_mean(x)
    variance = staged_mean(tf.math.squared_difference(x, mean))
    return tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)


def gradients(generator, discriminator, batch: list, dtype: tf.DType) -> tuple[np.ndarray, np.ndarray]:
    """L_D's gradient for D and L_G's for G in one vector, and the generated images, float64."""
    sentence, words, noise, epsilon, real, condition = (tf.cast(part, dtype) for part in batch)
    mask = tf.ones(words.shape[:2], tf.bool)
    with tf.GradientTape(persistent=True) as tape:
        fake = generator(sentence, words, mask, noise, epsilon, training=True).image
        of_real, of_fake = discriminator.features_of_both(real, fake, training=True)
        d_real, d_fake = discriminator.unconditional(of_real), discriminator.unconditional(of_fake)
        c_real = discriminator.conditional(of_real, condition, training=True)
        c_fake = discriminator.conditional(of_fake, condition, training=True)
        loss_d = tf.reduce_mean(sum(tf.nn.softplus(part) for part in (-d_real, d_fake, -c_real, c_fake)))
        loss_g = tf.reduce_mean(tf.nn.softplus(-d_fake) + tf.nn.softplus(-c_fake))
    found = tape.gradient(loss_d, discriminator.trainable_variables)
    found += tape.gradient(loss_g, generator.trainable_variables)
    return np.concatenate([np.float64(part).ravel() for part in found]), np.float64(fake)


@contextlib.contextmanager
def recorded_signs() -> Iterator[list[np.ndarray]]:
    """The signs of all inputs of ReLU and LeakyReLU inside, in order."""
    signs: list[np.ndarray] = []
    before = tf.nn.relu, blocks.leaky_relu

    def recorder(activation: Callable) -> Callable:
        return lambda x: (signs.append(np.packbits(x.numpy() > 0)), activation(x))[1]

    tf.nn.relu, blocks.leaky_relu = (recorder(activation) for activation in before)
    try:
        yield signs
    finally:
        tf.nn.relu, blocks.leaky_relu = before


def changed(signs: list[np.ndarray], reference: list[np.ndarray]) -> int:
    """How many signs differ."""
    return sum(int(np.unpackbits(one ^ other).sum()) for one, other in zip(signs, reference, strict=True))


def networks(size: int) -> Iterator[tuple]:
    """Generator and discriminator in float32, then the same weights in float64."""
    model = TrainConfig.of(
        image_size=size, ngf=4, ndf=4, z_dim=8, c_dim=8, dense_depth=2, dense_growth=4, condition="ca"
    ).model
    tf.keras.utils.set_random_seed(1)
    single = build.build_generator(model), build.build_discriminator(model)
    tf.keras.backend.set_floatx("float64")
    double = build.build_generator(model, "float64"), build.build_discriminator(model, "float64")
    tf.keras.backend.set_floatx("float32")
    for one, other in zip(single, double):
        for variable, twin in zip(one.variables, other.variables):
            twin.assign(tf.cast(variable, tf.float64))
    yield single
    yield double


def relative(value, reference) -> float:
    """|value - reference| / |reference|."""
    value, reference = np.float64(value), np.float64(reference)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


def compare_networks(size: int, draws: range) -> None:
    """A line a draw and form, then how many gradients jumped."""
    single, double = networks(size)
    on_cpu = cpu_convolutions.on_cpu
    forms: dict[str, tuple[Callable, Callable]] = {
        "as they are": (NORM, on_cpu),
        "sums in stages": (staged_norm, on_cpu),
        "plain convolutions": (NORM, lambda: False),
    }
    jumps = dict.fromkeys(forms, 0)
    for draw in draws:
        random = np.random.default_rng(100 + draw)
        shapes = [(BATCH, 256), (BATCH, WORDS, 256), (BATCH, 8), (BATCH, 8), (BATCH, size, size, 3), (BATCH, 8)]
        batch = [random.normal(size=shape).astype(np.float32) for shape in shapes]
        batch[4] = np.clip(batch[4] / 2, -1, 1)
        with recorded_signs() as exact:
            wanted, image = gradients(*double, batch, tf.float64)
        for name, (call, on) in forms.items():
            compat.BatchNormalization.call, cpu_convolutions.on_cpu = call, on
            with recorded_signs() as signs:
                found, generated = gradients(*single, batch, tf.float32)
            error = relative(found, wanted)
            jumps[name] += error > JUMP
            line = f"S={size} draw {draw} {name:20} image {relative(generated, image):.1e} gradient {error:.1e}"
            print(f"{line} signs changed {changed(signs, exact)}", flush=True)
        compat.BatchNormalization.call, cpu_convolutions.on_cpu = NORM, on_cpu
    print(f"gradients off by more than {JUMP:g}, of {len(draws)}: {jumps}", flush=True)


def compare_sums(size: int, channels: int = 8) -> None:
    """One batch norm: TensorFlow's kernel and sums in stages against float64."""
    x = (np.random.default_rng(0).normal(size=(BATCH, size, size, channels)) + 0.5).astype(np.float32)
    exact = np.float64(x)
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    output = (exact - mean) / np.sqrt(variance + 1e-5)
    ones, zeros, count = tf.ones(channels), tf.zeros(channels), x[..., 0].size
    y, _, unbiased = tf.compat.v1.nn.fused_batch_norm(x, ones, zeros, epsilon=1e-5)
    staged = staged_mean(tf.math.squared_difference(x, staged_mean(tf.constant(x))))
    own = tf.nn.batch_normalization(x, staged_mean(tf.constant(x)), staged, zeros, ones, 1e-5)
    fused = relative(np.float64(unbiased) * (count - 1) / count, variance), relative(y, output)
    print(f"S={size} TensorFlow's kernel: variance {fused[0]:.1e} output {fused[1]:.1e}")
    print(f"S={size} sums in stages: variance {relative(staged, variance):.1e} output {relative(own, output):.1e}")
    with contextlib.suppress(ImportError):
        import torch

        means, variances = torch.zeros(channels), torch.ones(channels)
        maps = torch.tensor(x).permute(0, 3, 1, 2).contiguous()
        y = torch.nn.functional.batch_norm(maps, means, variances, training=True, momentum=1.0, eps=1e-5)
        found = relative(variances.double() * (count - 1) / count, variance), relative(y.permute(0, 2, 3, 1), output)
        print(f"S={size} PyTorch: variance {found[0]:.1e} output {found[1]:.1e}")


def compare_time(shape: tuple[int, ...] = (4, 256, 256, 64), repeats: int = 3) -> None:
    """Processor time of one batch norm, forwards and backwards, in both forms."""
    x, ones, zeros = tf.random.stateless_normal(shape, [1, 2]), tf.ones(shape[-1]), tf.zeros(shape[-1])

    def staged(x, scale, offset):
        mean = staged_mean(x)
        return tf.nn.batch_normalization(x, mean, staged_mean(tf.math.squared_difference(x, mean)), offset, scale, 1e-5)

    def fused(x, scale, offset):
        return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, epsilon=1e-5)[0]

    for name, form in (("TensorFlow's kernel", fused), ("sums in stages", staged)):

        @tf.function
        def step(x, scale, offset, form=form):
            with tf.GradientTape() as tape:
                tape.watch((x, scale, offset))
                y = form(x, scale, offset)
            return tape.gradient(y, (x, scale, offset), output_gradients=x)

        step(x, ones, zeros)
        began = time.process_time()
        for _ in range(repeats):
            step(x, ones, zeros)
        print(f"{name} on {shape}: {(time.process_time() - began) / repeats * 1000:.0f} CPU ms")


def main() -> None:
    """All three comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image_size", type=int, choices=(64, 128, 256), default=256)
    parser.add_argument("--draws", type=int, default=6, help="of images, noise and sentences")
    parser.add_argument("--first", type=int, default=0, help="number of the first draw, its seed")
    given = parser.parse_args()
    for size in (64, 256):
        compare_sums(size)
    compare_time()
    compare_networks(given.image_size, range(given.first, given.first + given.draws))


if __name__ == "__main__":
    main()
