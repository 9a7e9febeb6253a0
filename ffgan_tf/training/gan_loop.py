"""The training loop of the GAN, top to bottom."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.config.families import FACTS
from ffgan_tf.run.signals import StopRequest
from ffgan_tf.training.board import Board
from ffgan_tf.training.diagnose import check_finite, first_non_finite
from ffgan_tf.training.distribution import (
    agreement,
    compiled_steps,
    distributed,
    make_strategy,
    output_folder,
    share_devices,
)
from ffgan_tf.training.first_stage import load_first_stage
from ffgan_tf.training.gan_setup import (
    GanData,
    SampleGrid,
    collapse_warning,
    excused_non_finite,
    gan_figures,
    gan_schedule,
    make_frozen_maps,
    make_image_encoder,
    make_text_encoder,
)
from ffgan_tf.training.gan_step import Gan
from ffgan_tf.training.memory import check_memory
from ffgan_tf.training.meter import Meter, status_line
from ffgan_tf.training.periodic_fid import PeriodicFid, make_evaluator
from ffgan_tf.training.precision import SLOW_BFLOAT16, imitates_bfloat16
from ffgan_tf.training.session import Actions, Session, say, stored_size
from ffgan_tf.training.step_errors import as_user_errors
from ffgan_tf.training.stopping import Stopping
from ffgan_tf.training.warm_start import begin_with

FIX = "a smaller --lr_d and --lr_g, a --clip_norm, or --precision=float32, with --allow_config_change"


def train(config: TrainConfig, run: str | Path) -> int:
    """Trains, or continues to train, in the folder `run`. Returns the exit code: 0 when done or stopped by a signal."""
    # ---------------------------------------------------------------- devices, the run's folder, data
    strategy = make_strategy(config.devices.strategy)
    replicas = strategy.num_replicas_in_sync
    share_devices(config.schedule.batch, config.devices.accumulate, replicas)
    max_size = stored_size(config.data, config.model.image_size)
    check_memory(config, replicas)
    session = Session("ffgan_tf.train", config, run, output_folder(Path(run), config.devices.strategy))
    say(f"reading {config.data}")
    data = GanData(config, max_size)
    schedule = gan_schedule(config, data.images)

    # ---------------------------------------------------------------- networks, from the newest checkpoint
    with strategy.scope():
        text_encoder = make_text_encoder(config, session.vocabulary)
        image_encoder = make_image_encoder(config)
        if image_encoder:
            session.reads("image_encoder", image_encoder.about["weights_sha256"])
        frozen_maps = make_frozen_maps(config)
        if frozen_maps:
            session.reads("trunk_weights", frozen_maps.weights_sha256)
        gan = Gan(config, text_encoder, image_encoder, frozen_maps)

    def batches_from(step: int) -> Iterator:
        return distributed(strategy, functools.partial(data.batches, step))

    step = session.resume(gan.checkpoint(), schedule.total)
    if config.init_from and session.resume_step is None:
        with strategy.scope():
            if config.model.stage == 2:
                say(f"stage 1 by {config.init_from}, step {load_first_stage(gan):,}")
            else:
                say(begin_with(gan, lambda: batches_from(0)))
    shares = schedule.rates.shares(step)
    gan.set_learning_rates(shares)
    shown = gan.sampling_generator()
    evaluator = make_evaluator(config, session, shown, gan.text_encoder)
    session.accept()
    batches = batches_from(step)
    train_steps = compiled_steps(gan, strategy)

    # ---------------------------------------------------------------- what the run shows of itself
    log = session.open_log()
    refresh = functools.partial(gan.refresh, shown)
    sample = SampleGrid(config, data, shown, gan.text_encoder, log, refresh)
    evaluate = PeriodicFid(session, evaluator, config.evaluation.eval_samples, refresh)
    board = Board(config, data, gan, shown, session.vocabulary, log)

    def show(step: int) -> None:
        sample(step)
        board(step)

    duties: Actions = {"sample": show, "evaluate": evaluate}
    sample.tell_sentences(step)
    board.begin(step)
    say(first_line(config, data.images, schedule.total, replicas, session.run))

    # ---------------------------------------------------------------- steps
    def check(values: np.ndarray, first_step: int) -> None:
        locate = functools.partial(locate_non_finite, gan, data) if replicas == 1 else lambda step: None
        check_finite(values, names, first_step, session.saved, FIX, locate, excused_non_finite(values, names))

    names = gan.metrics
    stop, meter = None, Meter(names, schedule.total, check)
    with StopRequest() as request, as_user_errors(config):
        session.catch_up(schedule, duties)
        stopping = Stopping(request, config.schedule.max_minutes, config.schedule.log_every, agreement(strategy))
        meter.resume()
        while step < schedule.total and not stop:
            if (now := schedule.rates.shares(step)) != shares:
                shares = now
                gan.set_learning_rates(shares)
            count = schedule.count(step)
            meter.add(train_steps(batches, count))
            step += count
            stop = stopping.at(step)
            due = schedule.at(step, stop)
            if due.report:
                reading = meter.read(step)
                epoch, speed = (
                    step * config.schedule.batch / data.images,
                    config.schedule.batch * reading.steps_per_second,
                )
                rates = {
                    "learning_rate/g": shares.g * config.optimisers.lr_g,
                    "learning_rate/d": shares.d * config.optimisers.lr_d,
                }
                log.scalars(step, {**reading.means, "speed/images_per_second": speed, "epoch": epoch, **rates})
                figures, warning = gan_figures(reading.means), collapse_warning(reading.means, config.model.condition)
                say(status_line(step, schedule.total, epoch, figures, f"{speed:.1f} images/s", reading) + warning)
            session.settle(step, due, duties)
            if due.report:
                meter.resume()

    # ---------------------------------------------------------------- the end
    log.close()
    own = f'sentences of your own: python -m ffgan_tf.sample --run={session.run} --text="…"'
    session.close(step, schedule.total, stop, f" Images: {session.run / 'samples'}; {own}")
    return 0


def first_line(config: TrainConfig, images: int, total: int, replicas: int, run: Path) -> str:
    """What is trained, on what, and how to watch it."""
    gpus = len(tf.config.list_logical_devices("GPU"))
    device = "GPU" if gpus else "CPU"
    note = f"{SLOW_BFLOAT16}\n" if imitates_bfloat16(config.devices.precision, gpus) else ""
    return (
        f"{note}{FACTS[config.model.family].label}: {images:,} images, {total:,} steps of {config.schedule.batch}, "
        f"{config.devices.precision} on {replicas} {device}{'s' if replicas > 1 else ''}; TensorBoard: tensorboard "
        f"--logdir={run}"
    )


def locate_non_finite(gan: Gan, data: GanData, step: int) -> str | None:
    """The layer in which a step's first non-finite value arises, by doing it again; on one device."""
    batch = next(iter(data.batches(step - 1)))
    return first_non_finite([gan.generator, *gan.discriminators], lambda: gan.train_step(batch))
