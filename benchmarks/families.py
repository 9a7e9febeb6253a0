"""All families and FF-GAN's ablations side by side: weights, multiplications, time and memory of a training step.

    python benchmarks/families.py --image_size=64 --batch=16

Each case runs in a process of its own, so that its memory is its own, at its family's defaults but for --image_size and
--batch; families without images of that size are left out. Random images, captions and weights. What is counted and how
time is measured: `benchmarks/train_step.py`. Peak memory includes TensorFlow itself.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from absl import flags

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf
from measure import CORES, VOCABULARY, compiled, counted, device, in_turns, peak_bytes, random_batch, waiting

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.checks import check
from ffgan_tf.config.commands import run_command
from ffgan_tf.config.families import FACTS
from ffgan_tf.models import blocks, build
from ffgan_tf.training.gan_step import Gan

flags.DEFINE_integer("image_size", 64, "S.")
flags.DEFINE_integer("batch", 16, "Images a step.", lower_bound=2)
flags.DEFINE_string("precision", "float32", "Keras policy.")
flags.DEFINE_boolean("jit_compile", False, "Compile with XLA.")
flags.DEFINE_integer("repeats", 3, "Steps to time, after one that compiles; 0: count alone.", lower_bound=0)
flags.DEFINE_list("only", [], "Names of cases, with commas; default all.")
flags.DEFINE_string("jsonl", "", "Append every row to this file.")
flags.DEFINE_string("case_out", "", "Of one case's own process: where its row goes.")

ABLATIONS = {
    "with spp": {"pyramid": "spp"},
    "without pyramid": {"pyramid": "none"},
    "with residual blocks": {"stage_block": "residual"},
    "without fusion": {"fusion": "none"},
    "with concatenation": {"fusion": "concat"},
    "without word attention": {"word_attention": False},
    "with three discriminators": {"discriminators": 3},
}
STAGE2 = "stackgan 2"


def cases(image_size: int) -> dict[str, dict]:
    """Name → settings, of all that have images of this size; StackGAN's second stage at 256 alone."""
    found = {family: {"family": family} for family in FACTS if image_size in FACTS[family].sides}
    if image_size == 256:
        del found["stackgan"]
        found[STAGE2] = {"family": "stackgan", "stage": 2, "init_from": "none"}
    return found | {f"ffgan {name}": settings for name, settings in ABLATIONS.items()}


def weights(networks: list[tf.keras.Model]) -> int:
    """Numbers in the trainable weights."""
    return sum(weight.shape.num_elements() for network in networks for weight in network.trainable_weights)


def measure(name: str, settings: dict, given: flags.FlagValues) -> dict:
    """The row of a case."""
    config = TrainConfig.of_given(
        image_size=given.image_size, batch=given.batch, precision=given.precision, data="none", **settings
    )
    check(config)
    with blocks.blank_weights(not given.repeats):
        gan = Gan(config, build.build_text_encoder(VOCABULARY, 1.0, 1, 2.0))
    batch = random_batch(config)
    inputs = gan.inputs(batch)
    generate = compiled(
        lambda: gan.ema(inputs.sentence, inputs.words, inputs.mask, inputs.noise, inputs.epsilon).image, False
    )
    step = compiled(lambda: gan.train_step(batch), given.jit_compile)
    wall, cpu, memory = timed(waiting(step), given.repeats) if given.repeats else ([], [], None)
    return {
        "name": name,
        "label": FACTS[config.model.family].label,
        "image_size": given.image_size,
        "batch": given.batch,
        "precision": given.precision,
        "jit_compile": given.jit_compile,
        "device": device(),
        "tensorflow": tf.__version__,
        "generator": weights([gan.generator]),
        "discriminators": [weights([d]) for d in gan.discriminators],
        "generate": counted(generate, given.batch),
        "step": counted(step, given.batch),
        "wall": wall,
        "cpu": cpu,
        "peak_bytes": memory,
    }


def timed(call: Callable, repeats: int) -> tuple[list[float], list[float], int]:
    """Wall and CPU seconds of a step, and its peak memory."""
    call()
    peak_bytes(reset=True)  # now of the step alone
    call()
    memory = peak_bytes()
    wall, cpu = in_turns({"": call}, repeats)[""]
    return wall, cpu, memory


def row(found: dict) -> str:
    """Of the table, in Markdown."""
    times = " | | | |"
    if found["wall"]:
        wall, cpu = statistics.median(found["wall"]), statistics.median(found["cpu"])
        times = (
            f" {1000 * wall:,.0f} ({1000 * min(found['wall']):,.0f}) | {1000 * cpu:,.0f} | "
            f"{found['batch'] * CORES / cpu:.1f} | {found['peak_bytes'] / 2**30:.2f} |"
        )

    def billions(count):
        return "" if count is None else f"{count / 1e9:.2f}"

    return (
        f"| {found['name']} | {found['generator'] / 1e6:.2f} | {sum(found['discriminators']) / 1e6:.2f} | "
        f"{billions(found['generate'])} | {billions(found['step'])} |{times}"
    )


def in_own_process(name: str, folder: str, argv: list[str]) -> dict | None:
    """The row of a case, measured by another process of this program; None where that failed, and said why."""
    out = Path(folder, "row.json")
    out.unlink(missing_ok=True)
    rest = [argument for argument in argv if not argument.startswith(("--only", "--jsonl"))]
    done = subprocess.run([sys.executable, os.path.abspath(__file__), *rest, f"--only={name}", f"--case_out={out}"])
    return json.loads(out.read_text()) if done.returncode == 0 and out.exists() else None


def main(argv: list[str]) -> int:
    """Prints the table."""
    del argv
    given = flags.FLAGS
    tf.get_logger().setLevel("ERROR")
    known = cases(given.image_size)
    if given.case_out:
        name = given.only[0]
        Path(given.case_out).write_text(json.dumps(measure(name, known[name], given)))
        return 0
    print(
        f"S = {given.image_size}, batch {given.batch}, {given.precision}, TensorFlow {tf.__version__}, {device()}"
        f"{', XLA' if given.jit_compile else ''}; {given.repeats} steps, median (fastest)\n"
    )
    print(
        "| | G, 10⁶ weights | D, 10⁶ | image, 10⁹ multiplications | step, 10⁹ an image | step, ms | CPU ms | "
        "images/s at best: cores ÷ CPU | peak memory GiB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        flush=True,
    )
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        for name in known:
            if given.only and name not in given.only:
                continue
            found = in_own_process(name, folder, sys.argv[1:])
            if found is None:
                missing.append(name)
                continue
            print(row(found), flush=True)
            if given.jsonl:
                with open(given.jsonl, "a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
    if missing:
        print(f"\nnot measured: {'; '.join(missing)}")
    return 0


if __name__ == "__main__":
    run_command(main)
