"""Not a test: twenty training steps on the devices given, for test_replicas.py, in a process of their own.

python twenty_steps.py one|mirrored|multi_worker RECORDS OUT.npz
"""

import sys

import numpy as np

import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

# isort: split
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.pipeline import load_split, training_batches
from ffgan_tf.models import build
from ffgan_tf.training.distribution import compiled_steps, make_strategy
from ffgan_tf.training.gan_inputs import noise_numbers
from ffgan_tf.training.gan_step import Gan

CONFIG = TrainConfig.of(
    image_size=64,
    ngf=4,
    ndf=4,
    z_dim=6,
    c_dim=5,
    dense_depth=1,
    dense_growth=4,
    pyramid="none",
    batch=12,
    max_words=5,
    sync_batch_norm=True,
    condition="ca",
    condition_gradient="g",
    discriminators=3,  # each with an Adam of its own
    precision="float64",
)


def main(kind: str, records: str, out: str) -> None:
    if kind == "mirrored":
        device = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = make_strategy(kind)
    tf.keras.backend.set_floatx("float64")
    split = load_split(records, "train")
    with strategy.scope():
        gan = Gan(CONFIG, build.build_text_encoder(60, 1.0, CONFIG.schedule.seed))
    batches = iter(
        strategy.distribute_datasets_from_function(
            lambda context: training_batches(
                split,
                max_size=64,
                image_size=64,
                batch=CONFIG.schedule.batch,
                max_words=5,
                captions=CONFIG.text.captions_mean,
                captions_repeat=CONFIG.text.captions_repeat,
                noise_dim=noise_numbers(CONFIG),
                seed=3,
                replica=context.input_pipeline_id,
                replicas=context.num_input_pipelines,
                split_by=context.num_replicas_in_sync // context.num_input_pipelines,
            )
        )
    )
    run = compiled_steps(gan, strategy)
    metrics = np.concatenate([run(batches, 1).numpy() for _ in range(20)])
    with strategy.scope():
        values = [
            variable.read_value().numpy()
            for network in (gan.generator, *gan.discriminators, gan.ema)
            for variable in network.variables
        ]
    metrics = np.delete(metrics, gan.metrics.index("text/mu_spread"), 1)  # within a replica's share: another number
    np.savez(out, metrics, *values, replicas=strategy.num_replicas_in_sync)


if __name__ == "__main__":
    main(*sys.argv[1:])
