"""The training loop of the GAN, top to bottom."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import load_split, size_ratio, training_batches
from ffgan_tf.models import build
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import load_image_encoder, load_text_encoder, trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.run.sampler import Sampler
from ffgan_tf.run.signals import StopRequest, stop_line
from ffgan_tf.training.cluster import worker_rank
from ffgan_tf.training.diagnose import check_finite, first_non_finite
from ffgan_tf.training.distribution import any_worker, compiled_steps, make_strategy, output_folder
from ffgan_tf.training.gan_step import METRICS, Gan
from ffgan_tf.training.periodic_fid import Evaluator
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.progress import format_duration

FIX = "a smaller --lr_d and --lr_g, a --clip_norm, or --precision=float32, with --allow_config_change"
COLLAPSED_SPREAD = 0.02  # a batch's μ differ by less than this, σ being near 1: I_s says nothing of the sentence


def make_text_encoder(config: TrainConfig, vocabulary: Vocabulary):
    """The run's frozen text encoder: the trained one of --text_encoder, or an untrained one drawn from the seed.

    Raises UserError where the encoder and the records do not share their vocabulary: token ids would mean other words.
    """
    if not config.text.text_encoder:
        return build.build_text_encoder(
            len(vocabulary), config.text.text_init_range, config.schedule.seed, config.text.text_forget_bias
        )
    encoder, own = load_text_encoder(config.text.text_encoder)
    if own.hash != vocabulary.hash:
        raise UserError(
            f"--text_encoder={config.text.text_encoder} has another vocabulary ({len(own):,} words) than "
            f"--data={config.data} ({len(vocabulary):,} words). Fix: convert the data with the encoder's "
            "captions (convert_cub.py --captions_pickle=…), or take an encoder trained on these records."
        )
    return encoder


def make_image_encoder(config: TrainConfig):
    """DAMSM's image encoder, for `--damsm_weight`; None without one."""
    if not config.losses.damsm_weight:
        return None
    if not trained_together(config.text.text_encoder, config.losses.image_encoder):
        raise UserError(
            f"--image_encoder={config.losses.image_encoder} was not trained with --text_encoder={config.text.text_encoder}: "
            "their features do not compare. Fix: both folders of one run of train_damsm."
        )
    return load_image_encoder(config.losses.image_encoder, config.losses.trunk_weights, "--trunk_weights")


def excused_non_finite(metrics: np.ndarray) -> np.ndarray:
    """Which of METRICS (steps, len(METRICS)) need not be finite, boolean: under a loss scale above 1, gradients too large
    for float16 are no divergence; the optimiser leaves the step out and lowers the scale."""
    found = np.zeros(metrics.shape, bool)
    for network in "dg":
        found[:, METRICS.index(f"grad_norm/{network}")] = metrics[:, METRICS.index(f"loss_scale/{network}")] > 1
    return found


@contextlib.contextmanager
def as_user_errors(config: TrainConfig) -> Iterator[None]:
    """What goes wrong inside a step and is for the user to fix, as a UserError."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        if config.devices.strategy != "multi_worker":
            raise
        # The reason stands below "Graph execution error:" and a traceback of the graph's own.
        reason = next((line.strip() for line in str(error).splitlines() if "abort" in line), type(error).__name__)
        raise UserError(
            f"another worker is gone ({reason[:160]}). Fix: start all workers again, each with its command; "
            "they continue from the newest checkpoint."
        ) from error
    except (tf.errors.ResourceExhaustedError, tf.errors.InvalidArgumentError) as error:
        # A constant that there is no room for, gradients' zeros say, is one that "cannot be parsed".
        if isinstance(error, tf.errors.ResourceExhaustedError) or "Cannot parse tensor from proto" in str(error):
            raise UserError(
                f"out of memory at --batch={config.schedule.batch}. Fix: --batch={max(2, config.schedule.batch // 2)} with "
                "--allow_config_change, or a smaller --image_size, --ngf or --ndf in a new run."
            ) from error
        if "one class only" in str(error):
            raise UserError(
                f"a batch of {config.schedule.batch} images was of one class only, so no sentence was wrong for any of "
                "them (Eq. 4). Fix: a larger --batch with --allow_config_change, or data of more "
                "classes."
            ) from error
        if "JPEG" in str(error):
            raise UserError(
                f"--data={config.data}: an image cannot be decoded. Fix: tools/verify_records.py "
                f"--data={config.data} says where the damage is; convert again."
            ) from error
        raise


def train(config: TrainConfig, run: str | Path) -> int:
    """Trains, or continues to train, in the folder `run`. Returns the exit code: 0 when done or stopped by a signal."""
    strategy = make_strategy(config.devices.strategy)
    read_from, run = (
        Path(run),
        output_folder(Path(run), config.devices.strategy),
    )  # one folder, but for workers after the first
    replicas, workers = (
        strategy.num_replicas_in_sync,
        worker_rank()[1] if config.devices.strategy == "multi_worker" else 1,
    )
    if (
        config.schedule.batch % (replicas * config.devices.accumulate)
        or config.schedule.batch // (replicas * config.devices.accumulate) < 2
    ):
        raise UserError(
            f"--batch={config.schedule.batch} cannot be shared by {replicas} devices in {config.devices.accumulate} parts each, "
            "two images a part at least. Fix: a multiple, with --allow_config_change."
        )
    manifest = records.read_manifest(config.data)
    max_size = manifest["image"]["max_size"]
    size_ratio(max_size, config.model.image_size, config.data)
    vocabulary = Vocabulary.load(Path(config.data) / records.VOCABULARY)
    checkpoints = Checkpoints(run / "checkpoints", config.schedule.keep_checkpoints)
    kept = Checkpoints(read_from / "checkpoints")
    resume_step = kept.latest()
    if resume_step is not None and Vocabulary.load(read_from / "vocabulary.json").hash != vocabulary.hash:
        raise UserError(
            f"--data={config.data}: its vocabulary is not the one of {run}. Fix: train on the data the run "
            "was started with, or take another --run."
        )
    checkpoints.remove_leftovers()

    print(f"reading {config.data}", flush=True)
    train_split, test_split = load_split(config.data, "train"), load_split(config.data, "test")
    images = len(train_split.names)
    if len(set(train_split.classes.tolist())) < 2:
        raise UserError(
            f"--data={config.data}: all training images are of one class, so no sentence is wrong for any "
            "(Eq. 4). Fix: convert with classes."
        )
    total = config.schedule.steps or -(-config.schedule.epochs * images // config.schedule.batch)

    with strategy.scope():
        gan = Gan(config, make_text_encoder(config, vocabulary), make_image_encoder(config))
    if resume_step is not None:
        kept.restore(gan.checkpoint(), resume_step)
        gan.optimizer_g.learning_rate, gan.optimizer_d.learning_rate = (
            config.optimisers.lr_g,
            config.optimisers.lr_d,
        )  # it holds the old ones
        print(f"continuing at step {resume_step:,} of {total:,}", flush=True)
    # Now that they are known to fit: a run that refused its new settings goes on by its old ones.
    write_atomic(run / "vocabulary.json", (Path(config.data) / records.VOCABULARY).read_bytes())
    settings.save(config, run)
    step = start = int(gan.step.numpy())

    def data(start_step, **place):
        return training_batches(
            train_split,
            max_size=max_size,
            image_size=config.model.image_size,
            batch=config.schedule.batch,
            max_words=config.text.max_words,
            noise_dim=config.model.z_dim + config.model.c_dim,
            seed=config.schedule.seed,
            start_step=start_step,
            **place,
        )

    def locate_non_finite(step):
        """The layer in which a step's first non-finite value arises, by doing it again."""
        if replicas > 1:
            return None
        batch = next(iter(data(step - 1)))
        return first_non_finite([gan.generator, gan.discriminator], lambda: gan.train_step(batch))

    batches = iter(
        strategy.distribute_datasets_from_function(
            lambda place: data(
                step,
                replica=place.input_pipeline_id,
                replicas=place.num_input_pipelines,
                split_by=place.num_replicas_in_sync // place.num_input_pipelines,
            )
        )
    )
    train_steps = compiled_steps(gan, strategy)

    # The grid: the same test sentences and noise at every step, by the EMA weights.
    chosen = np.linspace(
        0, len(test_split.names) - 1, min(config.schedule.grid_captions, len(test_split.names))
    ).astype(int)
    sentences = [test_split.texts[i][0] for i in chosen]
    sentence_ids = [test_split.tokens[i, 0, : test_split.lengths[i, 0]] for i in chosen]
    shown = gan.sampling_generator()
    sampler = Sampler(shown, gan.text_encoder, config.model.z_dim, config.model.c_dim, len(chosen))
    evaluator = None
    if config.evaluation.eval_every and run == read_from:
        evaluator = Evaluator(config, run, vocabulary, shown, gan.text_encoder)
    log = Log(run, step)
    log.text("sentences", "\n".join(f"{i + 1}. {text}" for i, text in enumerate(sentences)), step)
    write_atomic(run / "samples" / "sentences.txt", "\n".join(sentences) + "\n")
    device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    print(
        f"{images:,} images, {total:,} steps of {config.schedule.batch}, {config.devices.precision} on {replicas} {device}"
        f"{'s' if replicas > 1 else ''}; TensorBoard: tensorboard --logdir={run}",
        flush=True,
    )

    began = interval_began = time.monotonic()
    pending: list[tf.Tensor] = []  # the metrics of steps since the last log, still on the device
    saved = resume_step
    stop_reason = ""
    with StopRequest() as stop, as_user_errors(config):
        while step < total:
            # No call goes beyond a step at which something is due.
            events = (
                config.schedule.log_every,
                config.schedule.sample_every,
                config.schedule.checkpoint_every,
                config.evaluation.eval_every or total,
            )
            count = min(config.devices.steps_per_call, total - step, *(event - step % event for event in events))
            pending.append(train_steps(batches, count))
            step += count
            if config.schedule.max_minutes and time.monotonic() - began > 60 * config.schedule.max_minutes:
                stop_reason = f"--max_minutes={config.schedule.max_minutes:g} are over"
            stop_reason = f"{stop.asked} received" if stop.asked else stop_reason
            if workers > 1:  # they stop at one step or none: what one is told, all learn at the next status
                due = step % config.schedule.log_every == 0
                stop_reason = (
                    (stop_reason or "another worker stopped") if due and any_worker(strategy, bool(stop_reason)) else ""
                )
            last = step == total or bool(stop_reason)
            evaluate = bool(config.evaluation.eval_every) and (
                step == total or step % config.evaluation.eval_every == 0
            )
            save = last or evaluate or step % config.schedule.checkpoint_every == 0
            sample = last or step % config.schedule.sample_every == 0

            report = save or sample or step % config.schedule.log_every == 0
            if report:
                values = np.concatenate([metrics.numpy() for metrics in pending])  # the one wait for the device
                check_finite(
                    values, METRICS, step - len(values) + 1, saved, FIX, locate_non_finite, excused_non_finite(values)
                )
                seconds = time.monotonic() - interval_began
                means = dict(zip(METRICS, values.mean(axis=0).astype(float)))
                speed = config.schedule.batch * len(values) / max(seconds, 1e-9)
                log.scalars(
                    step,
                    {
                        **means,
                        "speed/images_per_second": speed,
                        "epoch": step * config.schedule.batch / images,
                        "learning_rate/g": config.optimisers.lr_g,
                        "learning_rate/d": config.optimisers.lr_d,
                    },
                )
                left = (time.monotonic() - began) / (step - start) * (total - step)
                warning = (
                    "  I_s has collapsed"
                    if means["text/mu_spread"] < COLLAPSED_SPREAD and config.model.condition != "sentence"
                    else ""
                )
                print(
                    f"step {step:,}/{total:,}  epoch {step * config.schedule.batch / images:.1f}  D {means['loss_d/total']:.3f}  "
                    f"G {means['loss_g/total']:.3f}  KL {means['loss_g/kl']:.4f}  D(t) {means['D/real']:.2f}  "
                    f"D(t|I) {means['D/real_matching']:.2f}  D(t|wrong) {means['D/real_mismatching']:.2f}  "
                    f"{speed:.1f} images/s  ETA {format_duration(left)}{warning}",
                    flush=True,
                )
                pending.clear()
            if save:  # first: who sent SIGTERM may not wait for images
                checkpoints.save(gan.checkpoint(), step)
                saved = step
            if sample or evaluate:
                gan.refresh(shown)
            if sample:
                log.images(step, sampler(sentence_ids, config.schedule.seed), sentences)
            if evaluate and evaluator:
                fid = evaluator(step)["fid"]
                best = checkpoints.mark_best(step, "fid", fid)
                print(
                    f"step {step:,}: FID {fid:.2f} on {config.evaluation.eval_samples:,} test captions"
                    f"{', the best so far' if best else ''}",
                    flush=True,
                )
            if report:
                interval_began = time.monotonic()  # images/s is that of the steps alone
            if stop_reason:
                break
    log.close()
    if step < total:
        print(stop_line("ffgan_tf.train", run, step, total, stop_reason), flush=True)
    else:
        print(
            f"done: {step:,} steps in {format_duration(time.monotonic() - began)}. Images: {run / 'samples'}; "
            f'sentences of your own: python -m ffgan_tf.sample --run={run} --text="…"',
            flush=True,
        )
    return 0
