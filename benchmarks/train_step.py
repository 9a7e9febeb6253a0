"""The GAN's training step: images/s, multiplications, share of the convolution peak.   python benchmarks/train_step.py

Prints, for each --batch and --precision, a row for the whole step and one for each part, then the gain of each rewrite
of the mathematics over its plain form. All are called in turns, so that other load on the machine affects all alike;
times are medians, with the fastest beside. CPU seconds are those of all threads of this process: they hardly change
when other programs take the cores, and cores ÷ CPU seconds bounds the rate on a quiet machine. Random images,
captions and weights; --data=RECORDS times the input pipeline, too.

Multiplications are counted on the step's own graph, so rewrites are included: the convolutions, their two gradients and
the matrix products that its results need, taps on padding included; one multiplication and addition = 2 FLOP. The text
encoder's recurrence (below 0.02 %) and all elementwise work are left out.
The peak is the fastest of three large 3×3 convolutions, forward, in the same run and type.
"""

import json
import os
import statistics
import sys
from collections.abc import Callable

from absl import flags

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf
from measure import (
    CORES,
    GPUS,
    VOCABULARY,
    WORDS,
    compiled,
    counted,
    device,
    in_turns,
    peak_bytes,
    random_batch,
    waiting,
)

from ffgan_tf.compat import FusedAdam
from ffgan_tf.config import TrainConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.data import pipeline, records
from ffgan_tf.losses import gan as losses
from ffgan_tf.models import blocks, build, fast_ops
from ffgan_tf.training.gan_step import Gan

flags.DEFINE_integer("image_size", 256, "S.")
flags.DEFINE_list("batch", ["4", "16"], "Images a step; several, with commas.")
flags.DEFINE_list("precision", ["float32", "mixed_bfloat16"], "Keras policies; several, with commas.")
flags.DEFINE_boolean("jit_compile", False, "Compile with XLA, the parts too.")
flags.DEFINE_integer("repeats", 5, "Calls of each to time, after one that compiles.", lower_bound=1)
flags.DEFINE_boolean("parts", True, "Time the parts of the step.")
flags.DEFINE_boolean("rewrites", True, "Time the rewrites and their plain forms, at the first --batch.")
flags.DEFINE_string("data", "", "Folder of a converted data set: times the input pipeline.")
flags.DEFINE_string("jsonl", "", "Append every row to this file.")


def convolution_peak(dtype: tf.DType, repeats: int) -> tuple[float, float]:
    """FLOP/s of the fastest large 3×3 convolution, forward: by the clock, and by CPU seconds on all cores."""
    calls, flop = {}, {}
    for side, channels in ((64, 128), (32, 256), (128, 64)):
        batch = 4 if not GPUS else 64
        x, kernel = (
            tf.cast(tf.random.normal(shape), dtype)
            for shape in ((batch, side, side, channels), (3, 3, channels, channels))
        )
        name = f"{side}²×{channels}"
        calls[name] = compiled(lambda x=x, kernel=kernel: tf.nn.conv2d(x, kernel, 1, "SAME"), False)
        flop[name] = 2 * batch * side**2 * 9 * channels**2
    times = in_turns({name: waiting(call) for name, call in calls.items()}, 4 * repeats)
    return (
        max(flop[name] / min(wall) for name, (wall, _) in times.items()),
        max(flop[name] * CORES / min(cpu) for name, (_, cpu) in times.items()),
    )


def parts_of(gan: Gan, batch: dict[str, tf.Tensor]) -> dict[str, Callable]:
    """The step and its parts, as functions without arguments that return their results."""
    inputs = gan.inputs(batch)
    fakes = gan.generate(inputs).images
    d_weights, g_weights = gan.discriminator.trainable_variables, gan.generator.trainable_variables
    d_gradients, g_gradients = (
        [tf.random.normal(weight.shape, stddev=1e-3) for weight in weights] for weights in (d_weights, g_weights)
    )

    def g_step():
        with tf.GradientTape() as tape:
            loss, _ = gan.g_loss(inputs, gan.generate(inputs))
        return tape.gradient(loss, g_weights)

    def optimise():
        norms = (
            gan.apply_d([d_gradients]),
            gan.apply_g(g_gradients),
        )
        gan.update_ema()
        return norms

    return {
        "whole step": lambda: gan.train_step(batch),
        "text encoder": lambda: gan.text_encoder(batch["tokens"], batch["lengths"]),
        "G forward": lambda: gan.generate(inputs),
        "D's trunk and heads forward, real and fake": lambda: [
            gan.discriminator(images, inputs.condition, training=True) for images in (inputs.real, fakes[-1])
        ],
        "D forward and backward": lambda: gan.d_gradients(inputs, fakes),
        "G and D forward, both backward to G": g_step,
        "optimisers and EMA": optimise,
    }


def rewrites_of(config: TrainConfig, gan: Gan, batch: dict[str, tf.Tensor]) -> dict[str, tuple[Callable, Callable]]:
    """Name → (plain form, rewrite), forward and gradients, at the sizes of stage 3 and of the discriminator."""
    dtype = tf.as_dtype(gan.generator.compute_dtype)
    side, ngf, c, count = config.model.image_size // 2, config.model.ngf, config.model.c_dim, config.schedule.batch
    maps, grown = 2 * ngf, 2 * ngf + config.model.dense_depth * config.model.dense_growth

    def normal(*shape, kind=dtype):
        return tf.cast(tf.random.normal(shape, stddev=0.1), kind)

    def differentiated(function, *arguments):
        def run():
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                y = function(*arguments)
            return y, tape.gradient(y, arguments)  # of the sum: a gradient of ones

        return run

    def both(plain, ours, *arguments):
        return differentiated(plain, *arguments), differentiated(ours, *arguments)

    def nearest_conv(x, kernel):
        return tf.nn.conv2d(blocks.nearest_up(x), tf.cast(kernel, x.dtype), 1, "SAME")

    def tiled(x, vector):
        return tf.concat([x, blocks.tile_vector(vector, x)], -1)

    wide = [normal(count, side, side, maps + c), normal(3, 3, maps + c, 2 * ngf, kind=tf.float32)]
    vector_conv = blocks.VectorConv(2 * ngf, 3, dtype=gan.generator.dtype_policy)
    vector_conv.build(((count, side, side, maps), (count, c)))
    up = blocks.UpConv(2 * ngf, dtype=gan.generator.dtype_policy)
    up.build((None, None, None, maps + c))

    def joined(x, vector, matrix):
        # The layers one by one; the skip's part of the matrix costs no multiplication there, but an addition.
        low = tf.nn.conv2d(tiled(x, vector), tf.cast(matrix, dtype)[None, None], 1, "SAME")
        return fast_ops.up_conv(low + tiled(x[..., :maps], vector), up.kernel)

    def lateral(x, kernel):
        return blocks.nearest_up(tf.nn.conv2d(x, kernel, 1, "SAME"))

    def late_lateral(x, kernel):
        return tf.nn.conv2d(blocks.nearest_up(x), kernel, 1, "SAME")

    inputs, d = gan.inputs(batch), gan.discriminator
    fake = tf.random.uniform(inputs.real.shape, -1, 1)

    def three_trunks():
        with tf.GradientTape() as tape:
            once, twice, fakes = (d.features(x, training=True) for x in (inputs.real, inputs.real, fake))
            loss = losses.discriminator_loss(
                losses.discriminator_terms(
                    losses.DiscriminatorLogits(
                        d.unconditional(once, inputs.real),
                        d.unconditional(fakes, fake),
                        d.conditional(once, inputs.condition, training=True),
                        d.conditional(fakes, inputs.condition, training=True),
                        d.conditional(twice, inputs.wrong, training=True),
                    )
                )
            )
        return tape.gradient(loss, d.trainable_variables)

    def generate_and_learn():
        with tf.GradientTape() as tape:
            image = gan.generate(inputs).image
        return tape.gradient(image, gan.generator.trainable_variables)

    trunk_weights = [weight for layer in d.trunk for weight in layer.trainable_weights]

    def trunk(features):
        def run():
            with tf.GradientTape() as tape:
                maps = features()
            return tape.gradient(maps, trunk_weights)

        return run

    def optimiser(make):
        weights = [tf.Variable(weight) for weight in d.trainable_variables]
        optimizer, gradients = make(2e-4, beta_1=0.5), [tf.zeros_like(weight) for weight in weights]
        optimizer.build(weights)
        return lambda: optimizer.apply_gradients(zip(gradients, weights))

    deep = next(layer.conv for layer in reversed(d.trunk) if layer.conv.strides == (2, 2))
    deep_kernel = tf.cast(tf.convert_to_tensor(deep.kernel), dtype)
    return {
        f"nearest ×2 → conv3×3, {side}²×{maps + c} → {2 * side}²×{2 * ngf}": both(
            nearest_conv, fast_ops.up_conv, *wide
        ),
        f"vector tiled through conv3×3, {side}²×({maps}+{c})": both(
            lambda x, v: tf.nn.conv2d(tiled(x, v), tf.cast(tf.convert_to_tensor(vector_conv.kernel), dtype), 1, "SAME"),
            lambda x, v: vector_conv((x, v)),
            normal(count, side, side, maps),
            normal(count, c),
        ),
        "1×1, skip and up as one linear map": both(
            joined,
            lambda x, v, matrix: up((x, v, matrix)),
            normal(count, side, side, grown),
            normal(count, c),
            normal(grown + c, maps + c, kind=tf.float32),
        ),
        "H_L2 twice at S² → once at (S/2)²": both(
            lambda a, b, k: late_lateral(a, k) + late_lateral(b, k),
            lambda a, b, k: lateral(a + b, k),
            normal(count, side, side, ngf),
            normal(count, side, side, ngf),
            normal(1, 1, ngf, ngf),
        ),
        "D's last stride-2 layer as a product (CPU)": both(
            lambda x, k: tf.nn.conv2d(x, k, 2, "SAME"),
            lambda x, k: deep.convolution_op(x, k),
            normal(count, 8, 8, deep_kernel.shape[2]),
            deep_kernel,
        ),
        "D's step: trunk of real images once for the right and the wrong sentence": (
            three_trunks,
            lambda: gan.d_gradients(inputs, (fake,))[0],
        ),
        "D's trunk of real and fake: small maps in one convolution": (
            trunk(lambda: [d.features(x, training=True) for x in (inputs.real, fake)]),
            trunk(lambda: d.features_of_both(inputs.real, fake, training=True)),
        ),
        "Adam of D, in one pass": (optimiser(tf.keras.optimizers.Adam), optimiser(FusedAdam)),
        "fakes made once for both steps, with their gradient": (
            lambda: [gan.generate(inputs).image, generate_and_learn()],
            generate_and_learn,
        ),
    }


def pipeline_row(config: TrainConfig, data: str, repeats: int) -> tuple[list[float], list[float]]:
    """Wall and CPU seconds of a batch of the input pipeline alone."""
    max_size = records.read_manifest(data)["image"]["max_size"]
    batches = iter(
        pipeline.training_batches(
            pipeline.load_split(data, "train"),
            max_size=max_size,
            image_size=config.model.image_size,
            batch=config.schedule.batch,
            max_words=WORDS,
            noise_dim=config.model.z_dim + config.model.c_dim,
            seed=1,
        )
    )

    def some():
        for _ in range(50):  # read ahead as it is, single batches would be free
            next(batches)

    return tuple([value / 50 for value in values] for values in in_turns({"": some}, repeats)[""])


def main(argv: list[str]) -> int:
    """Prints the tables."""
    del argv
    args = flags.FLAGS
    tf.get_logger().setLevel("ERROR")  # it warns of many graphs
    machine = device()
    print(
        f"S = {args.image_size}, TensorFlow {tf.__version__}, {machine}{', XLA' if args.jit_compile else ''}; "
        f"{args.repeats} rounds in turns, median (fastest)\n",
        flush=True,
    )
    rows, rewritten = [], []

    def note(kind, **row):
        if args.jsonl:
            with open(args.jsonl, "a", encoding="utf-8") as file:
                file.write(
                    json.dumps(
                        {
                            "kind": kind,
                            "image_size": args.image_size,
                            "tensorflow": tf.__version__,
                            "device": machine,
                            "jit_compile": args.jit_compile,
                            **row,
                        }
                    )
                    + "\n"
                )

    for precision in args.precision:
        dtype = tf.as_dtype(precision.removeprefix("mixed_"))
        peak, peak_cpu = convolution_peak(dtype, args.repeats)
        note("peak", precision=precision, flops=peak, flops_by_cpu=peak_cpu)
        rows.append(
            f"| **{precision}**: convolution peak | | | | | | {peak / 1e12:.2f} | {peak_cpu / 1e12:.2f} | 100 | |"
        )
        for number in map(int, args.batch):
            config = TrainConfig.of(image_size=args.image_size, batch=number, precision=precision)
            gan = Gan(config, build.build_text_encoder(VOCABULARY, 1.0, 1, 2.0))
            batch = random_batch(config)
            parts = parts_of(gan, batch)
            if not args.parts:
                parts = {"whole step": parts["whole step"]}
            graphs = {name: compiled(part, args.jit_compile) for name, part in parts.items()}
            calls = {name: waiting(graph) for name, graph in graphs.items()}
            calls["whole step"]()
            peak_bytes(reset=True)  # now of the step alone
            calls["whole step"]()
            memory = peak_bytes()
            times = in_turns(calls, args.repeats)
            if args.data and args.parts:
                times["input pipeline"] = pipeline_row(config, args.data, args.repeats)
            for name, (wall, cpu) in times.items():
                count = counted(graphs[name], number) if name in graphs else 0
                median, fastest, cpu_median = statistics.median(wall), min(wall), statistics.median(cpu)
                flop, by_cpu = (2 * number * (count or 0) / value for value in (median, cpu_median / CORES))
                share = 100 * (flop / peak if GPUS else by_cpu / peak_cpu)
                whole = name == "whole step"
                rows.append(
                    f"| {f'**batch {number}: whole step**' if whole else name} | {number / median:.2f} "
                    f"({number / fastest:.2f}) | {median * 1000:,.1f} ({fastest * 1000:,.1f}) | "
                    f"{cpu_median * 1000:,.0f} | {number * CORES / cpu_median:.2f} | "
                    + (
                        f"{count / 1e9:.2f} | {flop / 1e12:.2f} | {by_cpu / 1e12:.2f} | {share:.0f}"
                        if count
                        else "| | |"
                    )
                    + f" | {f'{memory / 2**30:.1f}' if whole else ''} |"
                )
                note(
                    "part",
                    precision=precision,
                    batch=number,
                    name=name,
                    wall=wall,
                    cpu=cpu,
                    multiplications=count,
                    peak_bytes=memory if whole else None,
                )
            if args.rewrites and number == int(args.batch[0]):
                pairs = rewrites_of(config, gan, batch)
                graphs = {
                    f"{form}{name}": compiled(function, args.jit_compile)
                    for name, pair in pairs.items()
                    for form, function in zip("-+", pair)
                }
                times = in_turns({name: waiting(graph) for name, graph in graphs.items()}, args.repeats)
                for name in pairs:
                    plain, ours = (counted(graphs[form + name], number) or 0 for form in "-+")
                    before, after = times[f"-{name}"], times[f"+{name}"]
                    wall, cpu = ([1000 * statistics.median(form[i]) for form in (before, after)] for i in (0, 1))
                    rewritten.append(
                        f"| {precision}, {number} | {name} | {plain / 1e9:.2f} → {ours / 1e9:.2f} | "
                        f"{wall[0]:,.1f} → {wall[1]:,.1f} | {cpu[0]:,.0f} → {cpu[1]:,.0f} | "
                        f"{cpu[0] / max(cpu[1], 1e-9) if not GPUS else wall[0] / wall[1]:.2f} |"
                    )
                    note(
                        "rewrite",
                        precision=precision,
                        batch=number,
                        name=name,
                        before=before,
                        after=after,
                        multiplications=[plain, ours],
                    )
            del gan, parts, graphs, calls
    print(
        "| | images/s | ms | CPU ms | images/s at best: cores ÷ CPU | 10⁹ multiplications an image | TFLOP/s | "
        "TFLOP/s by CPU | % of peak | peak memory GiB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    print("\n".join(rows))
    if rewritten:
        print(
            "\nForward and gradients, plain form → ours\n\n| | | 10⁹ multiplications an image | ms | CPU ms | times "
            "faster |\n|---|---|---:|---:|---:|---:|"
        )
        print("\n".join(rewritten))
    return 0


if __name__ == "__main__":
    run_command(main)
