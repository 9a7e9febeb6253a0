"""Code that depends on the versions of TensorFlow, Keras and tensorflow-addons, or on their private parts.

No other module uses names of Keras's with a leading underscore (those of TF 2.15's Keras and of tf-keras 2.21).
"""

import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from ffgan_tf.utils.errors import UserError


def require_addons(feature: str):
    """Returns the `tensorflow_addons` module, or raises a UserError that names the `feature` that needs it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its end-of-life notice, on every import
            import tensorflow_addons as tfa
    except ImportError as error:
        raise UserError(
            f"{feature} is built on tensorflow-addons, which is not installed here (it exists for TensorFlow up to "
            "2.15, Python 3.10 and 3.11). Fix: use that stack (requirements.txt), or choose another setting."
        ) from error
    return tfa


def plain_lstm(layer: tf.keras.layers.LSTM) -> None:
    """Makes Keras run its LSTM `layer` as the plain loop over words only: what it does on a CPU, bit for bit.

    Otherwise each graph with it also holds it for cuDNN, with the gradients of both, and chooses at run time: five
    seconds of processor time at the start of a training.
    """
    layer._could_use_gpu_kernel = False


def require_keras_2(keras: Any) -> None:
    """Raises UserError if `tf.keras` is Keras 3: TensorFlow 2.16 or later was imported before ffgan_tf."""
    version = getattr(keras, "__version__", "2")  # Keras 2's API module has none
    if int(version.split(".")[0]) >= 3:
        raise UserError(
            f"tf.keras is Keras {version}, and this code is written to Keras 2 (tf-keras): TensorFlow was imported and "
            "its Keras used before ffgan_tf. Fix: import ffgan_tf first, or set TF_USE_LEGACY_KERAS=1 in the "
            "environment."
        )


def gpu_memory() -> int | None:
    """Bytes that TensorFlow may use of the smallest GPU; None without any. TensorFlow has no public call for it."""
    if not tf.config.list_logical_devices("GPU"):
        return None
    from tensorflow.python.client import device_lib

    return min(device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU")


def child_layers(layer: tf.keras.layers.Layer) -> Iterator[tf.keras.layers.Layer]:
    """The layers directly below a layer or model, in order of creation, which no public walk gives."""
    return layer._flatten_layers(recursive=False, include_self=False)


def all_layers(layer: tf.keras.layers.Layer) -> Iterator[tf.keras.layers.Layer]:
    """A layer or model and all layers below it, in order of creation."""
    return layer._flatten_layers()


class FusedAdam(tf.keras.optimizers.Adam):
    """Keras's Adam by TensorFlow's own kernel: the same formula and variables, so checkpoints are interchangeable.

    Keras's update takes a dozen operations, each of which reads and writes all of the discriminator's 72 million
    weights: several per cent of a training step on a CPU at batch 4.
    """

    def update_step(self, gradient, variable):
        """Updates one dense variable; sparse gradients (none here) take Keras's update."""
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

    def start_anew(self) -> None:
        """Forgets moments and the count of steps, as a new Adam has none. Once it is built."""
        for variable in (*self._momentums, *self._velocities, self.iterations):
            variable.assign(tf.zeros_like(variable))


class BatchNormalization(tf.keras.layers.BatchNormalization):
    """Keras's batch normalisation whose moving variance is always the unbiased one, n / (n − 1) times the batch's.

    TensorFlow's fused kernel, for maps (B, H, W, C), keeps the unbiased one; Keras's own form, for vectors (B, C),
    float64 and synchronised statistics, keeps the batch's. Outputs in training do not depend on it.
    """

    def call(self, inputs, training=None):
        self._samples = None  # n, where Keras's own form is used
        if training and not self.fused:
            samples = tf.reduce_prod(tf.shape(inputs)[:-1])
            if self.synchronized:
                samples *= tf.distribute.get_strategy().num_replicas_in_sync
            self._samples = tf.cast(samples, self.moving_variance.dtype)
        return super().call(inputs, training=training)

    def _no_sync_calculate_mean_and_var(self, inputs, reduction_axes, keep_dims, mask=None):
        """Mean and variance whose derivatives are right to any order: `tf.nn.moments` stops the mean's gradient within
        the variance, which leaves the first derivative right and makes the second (R1's, MA-GP's) wrong."""
        if mask is not None:
            return super()._no_sync_calculate_mean_and_var(inputs, reduction_axes, keep_dims, mask=mask)
        mean = tf.reduce_mean(inputs, reduction_axes, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(inputs, mean), reduction_axes, keepdims=keep_dims)
        return (mean if keep_dims else tf.squeeze(mean, reduction_axes)), variance

    def _assign_moving_average(self, variable, value, momentum, inputs_size):
        if variable is self.moving_variance and self._samples is not None:
            value = tf.cast(value, variable.dtype) * self._samples / tf.maximum(self._samples - 1, 1)
        return super()._assign_moving_average(variable, value, momentum, inputs_size)
