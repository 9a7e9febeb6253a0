"""From a part's loss to updated weights: scale, sum over replicas, clip, apply."""

from collections.abc import Sequence

import tensorflow as tf


def share_of_batch(loss: tf.Tensor, optimizer: tf.keras.optimizers.Optimizer, parts: int) -> tf.Tensor:
    """The mean over one of a replica's `parts` as its share of the global batch's mean, times float16's loss scale."""
    loss /= tf.distribute.get_replica_context().num_replicas_in_sync * parts
    return optimizer.get_scaled_loss(loss) if hasattr(optimizer, "get_scaled_loss") else loss


def apply_gradients(
    optimizer: tf.keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    clip_norm: float,
) -> tf.Tensor:
    """Sums the replicas' gradients, clips them to `clip_norm` (0: not), applies them. Returns their norm before.

    Gradients that are not finite are not applied: under float16 the optimiser skips the step and lowers its scale,
    otherwise Adam continues on its averages.
    """
    scaled = hasattr(optimizer, "get_unscaled_gradients")
    if scaled:
        gradients = optimizer.get_unscaled_gradients(gradients)
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    norm = tf.linalg.global_norm(gradients)
    factor = tf.ones_like(norm)
    if clip_norm:
        factor = tf.minimum(factor, clip_norm / norm)
    if not scaled:  # a loss-scaling optimiser must see what is not finite
        factor = tf.where(tf.math.is_finite(norm), factor, 0.0)
    if scaled and clip_norm:
        gradients = [gradient * factor for gradient in gradients]
    elif not scaled:  # 0 · NaN = 0 here
        gradients = [tf.math.multiply_no_nan(gradient, factor) for gradient in gradients]
    optimizer.apply_gradients(zip(gradients, variables), skip_gradients_aggregation=True)
    return norm
