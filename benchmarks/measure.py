"""What the benchmarks of training steps share: counting multiplications, timing in turns, memory, random batches."""

import math
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.training.gan_inputs import noise_numbers

WORDS, VOCABULARY = 18, 5450
CORES = len(os.sched_getaffinity(0))
GPUS = tf.config.list_physical_devices("GPU")


def device() -> str:
    """In words."""
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in GPUS]
    return ", ".join(names) or f"CPU, {CORES} cores"


def multiplications(graph: tf.Graph) -> int:
    """Multiplications of the convolutions and matrix products that a graph's outputs and side effects need."""
    needed, waiting = set(), [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs] + list(op.control_inputs)
    return sum(op_multiplications(op) for op in needed)


def op_multiplications(op: tf.Operation) -> int:
    """Multiplications of one operation. Raises ValueError if a shape is unknown."""

    def size(tensor):
        if not tensor.shape.is_fully_defined():
            raise ValueError(f"{op.name}: its shape {tensor.shape} is unknown")
        return math.prod(tensor.shape.as_list())

    if op.type == "Conv2D":  # every output: kernel's height × width × channels
        return size(op.outputs[0]) * size(op.inputs[1]) // op.inputs[1].shape[-1]
    if op.type == "Conv2DBackpropInput":  # the same of the forward convolution, whose output is the third input
        return size(op.inputs[2]) * size(op.inputs[1]) // op.inputs[1].shape[-1]
    if op.type == "Conv2DBackpropFilter":
        return size(op.inputs[2]) * size(op.outputs[0]) // op.outputs[0].shape[-1]
    if op.type in ("MatMul", "BatchMatMul", "BatchMatMulV2"):
        transposed = op.get_attr("transpose_a" if op.type == "MatMul" else "adj_x")
        return size(op.outputs[0]) * op.inputs[0].shape[-2 if transposed else -1]
    if op.type == "Einsum":
        terms = op.get_attr("equation").decode().split("->")[0].split(",")
        sides = {label: side for term, tensor in zip(terms, op.inputs) for label, side in zip(term, tensor.shape)}
        return math.prod(sides.values()) if len(terms) > 1 else 0
    return 0


def compiled(function: Callable, jit: bool) -> Callable:
    """`function` (no arguments, tensors or None) as a graph that returns all of its results, so that none is pruned."""
    return tf.function(lambda: [value for value in tf.nest.flatten(function()) if value is not None], jit_compile=jit)


def waiting(graph: Callable) -> Callable:
    """A call of the graph that waits for the device."""

    def call():
        graph()
        tf.test.experimental.sync_devices()

    return call


def in_turns(calls: dict[str, Callable], repeats: int) -> dict[str, tuple[list[float], list[float]]]:
    """Wall and CPU seconds of each function's calls, in turns in every round, after one call that compiles."""
    times = {name: ([], []) for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            if number:
                times[name][0].append(time.perf_counter() - wall)
                times[name][1].append(time.process_time() - cpu)
    return times


def peak_bytes(reset: bool = False) -> int:
    """Most memory since the last reset: of the GPU's allocator, or this process's resident pages."""
    if GPUS:
        if reset:
            tf.config.experimental.reset_memory_stats("GPU:0")
        return tf.config.experimental.get_memory_info("GPU:0")["peak"]
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    except OSError:  # no Linux: since the process began
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def counted(graph: Callable, batch: int) -> float | None:
    """Multiplications per image of a `compiled` function; None if they cannot be counted."""
    try:
        return multiplications(graph.get_concrete_function().graph) / batch
    except ValueError as error:
        print(f"not counted: {error}", file=sys.stderr)
        return None


def random_batch(config: TrainConfig) -> dict[str, tf.Tensor]:
    """A batch like those of `training_batches`: images, captions of 8 to 18 words, all of different classes."""
    random, batch, captions = np.random.default_rng(0), config.schedule.batch, config.text.captions_mean
    shape = (batch,) if captions == 1 else (batch, captions)
    return {
        "image": tf.constant(
            random.integers(0, 256, (batch, config.model.image_size, config.model.image_size, 3)), tf.uint8
        ),
        "tokens": tf.constant(random.integers(1, VOCABULARY, (*shape, WORDS)), tf.int32),
        "lengths": tf.constant(random.integers(8, WORDS + 1, shape), tf.int32),
        "classes": tf.range(batch),
        "noise": tf.constant(random.normal(size=(batch, noise_numbers(config))), tf.float32),
    }
