"""Adam in one pass over the weights."""

import tensorflow as tf


class FusedAdam(tf.keras.optimizers.Adam):
    """Keras's Adam by TensorFlow's own kernel: the same formula and the same variables, so checkpoints are alike.

    Keras spells the update out in a dozen operations, each of which reads and writes all of the discriminator's 72
    million weights: on a CPU at batch 4 that is several per cent of a training step.
    """

    def update_step(self, gradient, variable):
        """One dense variable's update; sparse gradients (none here) go Keras's way."""
        if isinstance(gradient, tf.IndexedSlices) or self.amsgrad:
            return super().update_step(gradient, variable)
        index, step = self._index_dict[self._var_key(variable)], tf.cast(self.iterations + 1, variable.dtype)
        rate, beta_1, beta_2 = (
            tf.cast(value, variable.dtype) for value in (self.learning_rate, self.beta_1, self.beta_2)
        )
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )
