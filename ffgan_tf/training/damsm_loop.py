"""The training loop of DAMSM's text and image encoder, top to bottom."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.models.image_encoder import InceptionTrunk, inception_weights_path
from ffgan_tf.run.encoder_files import IMAGE, TEXT
from ffgan_tf.run.signals import StopRequest
from ffgan_tf.training.damsm_setup import DamsmData, Validate, damsm_figures, damsm_schedule, repair_encoder_pair
from ffgan_tf.training.damsm_step import METRICS, Damsm
from ffgan_tf.training.diagnose import check_finite
from ffgan_tf.training.feature_cache import Stopped
from ffgan_tf.training.meter import Meter, status_line
from ffgan_tf.training.session import Actions, Session, say, stored_size
from ffgan_tf.training.stopping import Stopping

FIX = "a smaller --lr, with --allow_config_change"


def train(config: DamsmConfig, run: str | Path) -> int:
    """Trains, or continues to train, in the folder `run`. Returns the exit code: 0 when done or stopped by a signal."""
    # ---------------------------------------------------------------- the run's folder, data
    max_size = stored_size(config.data, config.images.image_size)
    inception = config.images.image_trunk == "inception"
    weights = inception_weights_path(config.images.trunk_weights) if inception else None
    session = Session("ffgan_tf.train_damsm", config, run)
    say(f"reading {config.data}")
    data = DamsmData(config, max_size)
    schedule = damsm_schedule(config, data.images)

    with StopRequest() as request:
        # ------------------------------------------------------------ networks, from the newest checkpoint
        trunk = InceptionTrunk(weights) if weights else None
        if trunk:
            session.reads("trunk_weights", trunk.weights_sha256)
        damsm = Damsm(config, len(session.vocabulary), data.images, trunk)
        if session.resume_step is not None:
            repair_encoder_pair(session.run, damsm, session.vocabulary, session.checkpoints)
        step = session.resume(damsm.checkpoint(), schedule.total)
        try:
            train_features, test_features = data.features(trunk, weights, lambda: bool(request.asked))
        except Stopped:
            say(f"stopped while Inception was at the images ({request.asked} received); the same command continues")
            return 0
        session.accept()
        batches = data.batches(step, train_features)
        train_step = tf.function(damsm.train_step, autograph=False)

        # ------------------------------------------------------------ what the run shows of itself
        log = session.open_log()
        validation = data.validation(damsm, session.vocabulary, test_features)
        duties: Actions = {"validate": Validate(session, damsm, validation, log)}
        counts = f"{data.images:,} images, {len(session.vocabulary):,} words, {schedule.total:,} steps"
        say(f"{counts} of {config.schedule.batch}; TensorBoard: tensorboard --logdir={session.run}")

        # ------------------------------------------------------------ steps
        def check(values: np.ndarray, first_step: int) -> None:
            check_finite(values, METRICS, first_step, session.saved, FIX)

        stop, meter = None, Meter(METRICS, schedule.total, check)
        session.catch_up(schedule, duties)
        stopping = Stopping(request, config.schedule.max_minutes)
        meter.resume()
        while step < schedule.total and not stop:
            meter.add(train_step(next(batches))[None])
            step += 1
            stop = stopping.at(step)
            due = schedule.at(step, stop)
            if due.report:
                reading = meter.read(step)
                epoch, speed = step * config.schedule.batch / data.images, reading.steps_per_second
                log.scalars(step, {**reading.means, "speed/steps_per_second": speed, "epoch": epoch})
                figures = damsm_figures(reading.means)
                say(status_line(step, schedule.total, epoch, figures, f"{speed:.2f} steps/s", reading))
            session.settle(step, due, duties)
            if due.report:
                meter.resume()

    # ---------------------------------------------------------------- the end
    log.close()
    session.close(step, schedule.total, stop)
    if (session.run / TEXT).exists():
        say(
            f"The best encoders so far: {session.run / TEXT}, {session.run / IMAGE}. Use: python -m ffgan_tf.train "
            f"--text_encoder={session.run / TEXT} …"
        )
    return 0
