"""The generator's moving average (EMA), and its copy for sampling while several replicas train."""

from collections.abc import Sequence

import tensorflow as tf

from ffgan_tf.config.train import OptimiserConfig
from ffgan_tf.models.generator import Generator


def ema_decay(config: OptimiserConfig, step: tf.Variable) -> tf.Tensor:
    """`--ema_decay`, with `--ema_warmup` at most (1 + t) / (10 + t) after t steps. float32 scalar."""
    decay = tf.constant(config.ema_decay)
    if config.ema_warmup:
        t = tf.cast(step, tf.float32)
        decay = tf.minimum(decay, (1 + t) / (10 + t))
    return decay


def update_ema(averages: Sequence[tf.Variable], values: Sequence[tf.Variable], decay: tf.Tensor) -> None:
    """average ← decay · average + (1 − decay) · value, for each pair. Called inside a replica, like the step.

    The averages cover all of the generator's variables: batch norm's moving statistics belong to the weights that they
    were measured with.
    """

    def move(average, value, decay):
        average.assign_sub(tf.cast(1 - decay, value.dtype) * (average - value))

    pairs = list(zip(averages, values))
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        for average, value in pairs:
            move(average, value, decay)
        return
    # A replica updates its own copy of batch norm's statistics; all replicas update the copies of weights together.
    own = [pair for pair in pairs if pair[0].synchronization == tf.VariableSynchronization.ON_READ]
    shared = [pair for pair in pairs if pair[0].synchronization != tf.VariableSynchronization.ON_READ]
    for average, value in own:
        move(average, value, decay)

    def move_all(strategy, decay):
        for average, value in shared:
            strategy.extended.update(average, move, args=(value, decay), group=False)

    context.merge_call(move_all, args=(decay,))


def copy_average(ema: Generator, target: Generator, strategy: tf.distribute.Strategy) -> None:
    """Updates the copy for sampling, on all workers at once, because with several replicas batch norm's statistics are
    the mean over all of them. Does nothing if the copy is the average itself."""
    if target is ema:
        return
    with strategy.scope():
        values = [average.read_value() for average in ema.variables]
    for variable, value in zip(target.variables, values):
        variable.assign(value)
