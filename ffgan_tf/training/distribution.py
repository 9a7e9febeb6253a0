"""The devices of a run (`--strategy`), and the coordination of several workers."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.utils.errors import UserError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """The strategy behind `--strategy`. Call it before any other computation: multi_worker connects the workers here.

    `one`: TensorFlow's default, the first GPU or the CPU. `mirrored`: all GPUs of this machine, or all logical CPUs
    where there is none. `multi_worker`: all workers of TF_CONFIG with all their GPUs.
    """
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if worker_rank()[1] < 2:
        raise UserError(
            "--strategy=multi_worker needs TF_CONFIG, which names all workers and this one's place. Fix: "
            'TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": '
            '"worker", "index": 0}}\', with index 1 on the second. For one machine: --strategy=mirrored.'
        )
    rank, workers = worker_rank()
    print(f"worker {rank} of {workers}: waiting until all are there", flush=True)
    return tf.distribute.MultiWorkerMirroredStrategy()


def output_folder(run: Path, strategy_name: str) -> Path:
    """The folder that this worker writes to. All workers take part in saving, but only the chief's files are the run's:
    the others write to a temporary folder."""
    if strategy_name != "multi_worker" or worker_rank()[0] == 0:
        return run
    folder = Path(tempfile.mkdtemp(prefix=f"ffgan_tf-worker{worker_rank()[0]}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def agreement(strategy: tf.distribute.Strategy) -> Callable[[bool], bool] | None:
    """With several workers, a function that says whether a flag is set on any of them, which all must call at the same
    step; None with one."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return None

    def on_any(flag: bool) -> bool:
        own = strategy.experimental_distribute_values_from_function(lambda _: tf.constant(float(flag)))
        return bool(strategy.reduce(tf.distribute.ReduceOp.SUM, own, axis=None) > 0)

    return on_any


def share_devices(batch: int, accumulate: int, replicas: int) -> None:
    """Raises UserError unless a batch can be shared by the replicas in `--accumulate` parts of two images or more."""
    if batch % (replicas * accumulate) or batch // (replicas * accumulate) < 2:
        raise UserError(
            f"--batch={batch} cannot be shared by {replicas} devices in {accumulate} parts each, two images a part at "
            "least. Fix: a multiple, with --allow_config_change."
        )


def distributed(strategy: tf.distribute.Strategy, batches: Callable[..., tf.data.Dataset]) -> Iterator:
    """An endless iterator of global batches; `batches` takes the place of the pipeline's reader among the replicas
    (`replica`, `replicas`, `split_by` of `training_batches`)."""
    return iter(
        strategy.distribute_datasets_from_function(
            lambda context: batches(
                replica=context.input_pipeline_id,
                replicas=context.num_input_pipelines,
                split_by=context.num_replicas_in_sync // context.num_input_pipelines,
            )
        )
    )


def compiled_steps(gan: Gan, strategy: tf.distribute.Strategy) -> Callable:
    """A function (iterator of batches, count) → metrics (count, M): `count` training steps on all replicas, the metrics
    averaged over them; one unless `--steps_per_call`. The host is asked for nothing in between; one graph for any
    count.

    With `--jit_compile`, XLA compiles the whole step on one device. Replicas must leave the compiled code to meet each
    other, so there it compiles the networks and their losses.
    """
    step = gan.train_step
    # Accumulated steps loop over a tensor, and autograph makes that a loop of the graph. It looks for such loops in
    # every line of every layer, though: half of the time from the start to the first step.
    autograph = gan.config.devices.accumulate > 1
    if gan.config.devices.jit_compile:
        if strategy.num_replicas_in_sync == 1:
            step = tf.function(step, autograph=autograph, jit_compile=True)
        else:
            gan.compile_parts()

    def on_replica(batch):
        metrics, context = step(batch), tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            metrics = context.all_reduce(tf.distribute.ReduceOp.MEAN, metrics)
        return metrics

    def one_step(batches):
        return strategy.experimental_local_results(strategy.run(on_replica, args=(next(batches),)))[0]

    if not autograph:
        one_step = tf.autograph.experimental.do_not_convert(one_step)

    @tf.function
    def single(batches):
        return one_step(batches)[None]

    @tf.function
    def several(batches, count):
        metrics = tf.TensorArray(tf.float32, count)
        for i in tf.range(count):
            metrics = metrics.write(i, one_step(batches))
        return metrics.stack()

    # The loop's graph may round otherwise than the plain one: a run keeps to one of them, whatever the count.
    return lambda batches, count: (
        single(batches) if gan.config.devices.steps_per_call == 1 else several(batches, tf.constant(count))
    )
