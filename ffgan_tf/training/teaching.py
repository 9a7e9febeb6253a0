"""The first stage of a larger FF-GAN learns what a smaller one's first two stages make (`--init_steps`).

`doubling` gives stage 1's last up what one linear map can; the rest needs all of stage 1. So it learns from the smaller
generator, on the run's own captions, before D judges anything: distillation (Hinton et al. 2015) of feature maps.
"""

from collections.abc import Callable, Iterator

import tensorflow as tf

from ffgan_tf.models.generator import Generated, Generator
from ffgan_tf.training.doubling import Texts
from ffgan_tf.training.meter import Meter
from ffgan_tf.training.session import say
from ffgan_tf.utils.progress import format_duration

RATE, LAST = 1e-3, 0.05  # Adam's first rate, and the share of it that it falls to, linearly
IMAGES = 5.0  # the weight of the images' error
ERRORS = ("features", "images")
REPORT_EVERY = 50


def rate_at(step: int, steps: int) -> float:
    """Adam's rate in the step after `step` of them."""
    return RATE * (1 - (1 - LAST) * step / steps)


def teach(
    student: Generator, teacher: Generator, batches: Iterator, texts_of: Callable[..., Texts], steps: int
) -> None:
    """Trains the student's stage 1, by Adam, so that F1 is the teacher's F_2f, and its images at the teacher's S are
    the teacher's.

    The student comes from `doubling.double`, in float32. `texts_of` makes of a batch what both read. On all replicas of
    the strategy in whose scope it is called.
    """
    strategy = tf.distribute.get_strategy()
    variables = student.stage1.trainable_variables
    optimizer = tf.keras.optimizers.Adam(RATE, beta_1=0.9, beta_2=0.99)
    optimizer.build(variables)

    def on_replica(batch):
        given = texts_of(batch)
        wanted = teacher(*given)
        with tf.GradientTape() as tape:
            errors = errors_of(student, given, wanted.features["F2f"], image_for(student, teacher, wanted))
            loss = (errors[0] + IMAGES * errors[1]) / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables))
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, errors)

    @tf.function(autograph=False)
    def one_step(batch):
        return strategy.experimental_local_results(strategy.run(on_replica, args=(batch,)))[0][None]

    meter = Meter(ERRORS, steps)
    meter.resume()
    for step in range(steps):
        optimizer.learning_rate.assign(rate_at(step, steps))
        meter.add(one_step(next(batches)))
        if (done := step + 1) % REPORT_EVERY == 0 or done == steps:
            reading = meter.read(done)
            figures = "  ".join(f"{name} {value:.3f}" for name, value in reading.means.items())
            speed = f"{reading.steps_per_second:.1f} steps/s  ETA {format_duration(reading.seconds_left)}"
            say(f"stage 1 learns: step {done:,}/{steps:,}  {figures}  {speed}")
            meter.resume()


def image_for(student: Generator, teacher: Generator, made: Generated) -> tf.Tensor:
    """The teacher's image as the student's F_2f can make it: past the blocks of `--refine` where the student has two
    stages, and with them those blocks behind F_2f; a student of three has them at a larger S, so without them."""
    return teacher.drawn(teacher.to_image, made.features["F3f"]) if student.three else made.image


def errors_of(student: Generator, given: Texts, features: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """(2,): mean squares of F1 − `features`, each channel over its variance; mean |difference| of the images at
    the size of the student's F_2f, wanted: `image_for`. Stage 1 in training mode, what follows as it samples."""
    condition, _, _ = student.augment(given.sentence, given.epsilon)
    f1 = student.stage1(condition, given.noise, training=True)
    context = None if student.attend1 is None else student.attend1(f1, given.words, given.mask)[0]
    f2f, _ = student.fused(f1, student.stage2(f1, condition, context))
    own = student.drawn(student.to_image, f2f if student.three else student.refined(f2f))
    variance = tf.math.reduce_variance(features, [0, 1, 2])
    unexplained = tf.reduce_mean((f1 - features) ** 2 / (variance + 1e-8))
    return tf.stack([unexplained, tf.reduce_mean(tf.abs(own - images))])
