"""The training loop of the text encoder, top to bottom."""

import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import load_split, size_ratio, training_batches
from ffgan_tf.models.image_encoder import InceptionTrunk, inception_weights_path
from ffgan_tf.run import settings
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import IMAGE, TEXT, save_image_encoder, save_text_encoder, trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.run.signals import StopRequest, stop_line
from ffgan_tf.training.damsm_step import METRICS, Damsm
from ffgan_tf.training.damsm_validation import Validation
from ffgan_tf.training.diagnose import check_finite
from ffgan_tf.training.feature_cache import Stopped, cached_features, key_of
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.progress import format_duration


def read_colours(config: DamsmConfig, names: list[str]) -> dict[str, str] | None:
    """The colours of the test images, by name; None without --colour_labels."""
    if not config.schedule.colour_labels:
        return None
    from ffgan_tf.evaluation.colour_probe import labels_of, read_colour_labels

    labels, given = (
        read_colour_labels(config.schedule.colour_labels),
        f"--colour_labels={config.schedule.colour_labels}",
    )
    return dict(zip(names, labels_of(names, labels, given, "test images")))


def save_encoders(run: Path, damsm: Damsm, vocabulary: Vocabulary, step: int, found: dict[str, float]) -> None:
    """RUN/text_encoder, for the GAN's --text_encoder, and its twin RUN/image_encoder."""
    config = damsm.config
    made_by = {
        "tool": "train_damsm",
        "step": step,
        "seed": config.schedule.seed,
        "image_encoder": config.images.image_trunk,
        **found,
    }
    save_text_encoder(run / TEXT, damsm.text_encoder, vocabulary, made_by)
    save_image_encoder(run / IMAGE, damsm.heads, damsm.trunk or damsm.frozen, run / TEXT, made_by)


def repair_encoder_pair(run: Path, damsm: Damsm, vocabulary: Vocabulary, checkpoints: Checkpoints) -> None:
    """Writes the best encoders anew where the two are no pair: a run of before there was an image encoder, or one that
    was killed between the two. Leaves the best checkpoint in `damsm`."""
    best = checkpoints.best()
    if best is None or trained_together(run / TEXT, run / IMAGE) or checkpoints.damage(best["step"]):
        return
    checkpoints.restore(damsm.checkpoint(), best["step"])
    save_encoders(run, damsm, vocabulary, best["step"], {f"validation/{best['metric']}": best["value"]})
    print(f"wrote {run / TEXT} and {run / IMAGE} from the best checkpoint, step {best['step']:,}", flush=True)


def train(config: DamsmConfig, run: str | Path) -> int:
    """Trains, or continues to train, in the folder `run`. Returns the exit code: 0 when done or stopped by a signal."""
    run = Path(run)
    max_size = records.read_manifest(config.data)["image"]["max_size"]
    size_ratio(max_size, config.images.image_size, config.data)
    weights = inception_weights_path(config.images.trunk_weights) if config.images.image_trunk == "inception" else None
    vocabulary = Vocabulary.load(Path(config.data) / records.VOCABULARY)
    checkpoints = Checkpoints(run / "checkpoints", config.schedule.keep_checkpoints)
    resume_step = checkpoints.latest()
    kept_vocabulary = run / "vocabulary.json"
    if resume_step is not None and Vocabulary.load(kept_vocabulary).hash != vocabulary.hash:
        raise UserError(
            f"--data={config.data}: its vocabulary is not the one of {run}. Fix: train on the data the "
            "run was started with, or take another --run."
        )
    checkpoints.remove_leftovers()

    print(f"reading {config.data}", flush=True)
    train_split, test_split = load_split(config.data, "train"), load_split(config.data, "test")
    colours = read_colours(config, test_split.names)
    images = len(train_split.names)
    total = config.schedule.steps or -(-config.schedule.epochs * images // config.schedule.batch)

    with StopRequest() as stop:
        frozen = InceptionTrunk(weights) if weights else None
        damsm = Damsm(config, len(vocabulary), images, frozen)
        if resume_step is not None:
            repair_encoder_pair(run, damsm, vocabulary, checkpoints)
            checkpoints.restore(damsm.checkpoint(), resume_step)
            print(f"continuing at step {resume_step:,} of {total:,}", flush=True)
        train_images = test_images = None
        if frozen and config.images.cache_features:
            try:
                cached = [
                    cached_features(
                        frozen,
                        key_of(config.data, name, config.images.image_size, weights, views),
                        split,
                        max_size,
                        config.images.cache_dir,
                        lambda: bool(stop.asked),
                    )
                    for name, split, views in (("train", train_split, 2), ("test", test_split, 1))
                ]
            except Stopped:
                print(
                    f"stopped while Inception was at the images ({stop.asked} received); the same command continues",
                    flush=True,
                )
                return 0
            train_images, test_images = cached[0].tensors, lambda index: cached[1].tensors(index, False)
        write_atomic(kept_vocabulary, (Path(config.data) / records.VOCABULARY).read_bytes())
        settings.save(config, run)

        step = start = int(damsm.step.numpy())
        batches = iter(
            training_batches(
                train_split,
                max_size=max_size,
                image_size=config.images.image_size,
                batch=config.schedule.batch,
                max_words=config.text.max_words,
                noise_dim=0,
                seed=config.schedule.seed,
                start_step=step,
                image_at=train_images,
            )
        )
        validation = Validation(
            damsm, test_split, vocabulary, max_size, test_images, colours, config.schedule.attention_images
        )
        train_step = tf.function(damsm.train_step)
        log = Log(run, step)
        print(
            f"{images:,} images, {len(vocabulary):,} words, {total:,} steps of {config.schedule.batch}; TensorBoard: "
            f"tensorboard --logdir={run}",
            flush=True,
        )

        began = interval_began = time.monotonic()
        pending: list[tf.Tensor] = []  # the metrics of steps since the last log, still on the device
        saved, stop_reason = resume_step, ""
        while step < total:
            pending.append(train_step(next(batches)))
            step += 1
            over = config.schedule.max_minutes and time.monotonic() - began > 60 * config.schedule.max_minutes
            if stop.asked or over:
                stop_reason = (
                    f"{stop.asked} received"
                    if stop.asked
                    else f"--max_minutes={config.schedule.max_minutes:g} are over"
                )
            # After a signal there may be no time for it.
            validate = step == total or step % config.schedule.validate_every == 0 or (over and not stop.asked)
            report = validate or bool(stop_reason) or step % config.schedule.log_every == 0
            if report:
                values = np.stack([metrics.numpy() for metrics in pending])  # the one wait for the device
                check_finite(
                    values, METRICS, step - len(values) + 1, saved, "a smaller --lr, with --allow_config_change"
                )
                means = dict(zip(METRICS, values.mean(axis=0).astype(float)))
                speed = len(pending) / max(time.monotonic() - interval_began, 1e-9)
                log.scalars(
                    step, {**means, "speed/steps_per_second": speed, "epoch": step * config.schedule.batch / images}
                )
                left = (time.monotonic() - began) / (step - start) * (total - step)
                print(
                    f"step {step:,}/{total:,}  epoch {step * config.schedule.batch / images:.1f}  "
                    f"loss {means['loss/total']:.3f}  words {means['loss/w0']:.3f} {means['loss/w1']:.3f}  sentence "
                    f"{means['loss/s0']:.3f} {means['loss/s1']:.3f}  lr {means['learning_rate']:.1e}  "
                    f"{speed:.2f} steps/s  ETA {format_duration(left)}",
                    flush=True,
                )
                pending.clear()
            if validate or stop_reason:
                checkpoints.save(damsm.checkpoint(), step)
                saved = step
            if validate:
                found = validation()
                log.scalars(step, found)
                sheet = validation.sheet()
                log.images(step, sheet.tiles, sheet.labels, sheet.columns)
                best = checkpoints.mark_best(
                    step,
                    config.schedule.best_by,
                    found[f"validation/{config.schedule.best_by}"],
                    lower_is_better=config.schedule.best_by == "loss",
                )
                if best or not (run / TEXT).exists():
                    save_encoders(run, damsm, vocabulary, step, found)
                colour = (
                    f"  colour {found['validation/colour']:.3f} (chance {found['validation/colour_blind']:.3f})"
                    if colours
                    else ""
                )
                print(
                    f"step {step:,}: test loss {found['validation/loss']:.3f}  R-precision "
                    f"{found['validation/r_precision']:.3f} (chance {validation.chance():.3f}){colour}"
                    f"{'  the best so far' if best else ''}",
                    flush=True,
                )
            if report:
                interval_began = time.monotonic()  # steps/s is that of the steps alone
            if stop_reason:
                break
    log.close()
    if step < total:
        print(stop_line("ffgan_tf.train_damsm", run, step, total, stop_reason), flush=True)
    else:
        print(f"done: {step:,} steps in {format_duration(time.monotonic() - began)}.", flush=True)
    if (run / TEXT).exists():
        print(
            f"The best encoders so far: {run / TEXT}, {run / IMAGE}. Use: python -m ffgan_tf.train "
            f"--text_encoder={run / TEXT} …",
            flush=True,
        )
    return 0
