"""The parts of DAMSM's loop: schedule, data and cached features, validation, saved encoders, status figures."""

from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from ffgan_tf.config import DamsmConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import Split, load_split, training_batches
from ffgan_tf.models.image_encoder import InceptionTrunk
from ffgan_tf.run.checkpoints import Checkpoints
from ffgan_tf.run.encoder_files import IMAGE, TEXT, save_image_encoder, save_text_encoder, trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.training.damsm_step import Damsm
from ffgan_tf.training.damsm_validation import Validation
from ffgan_tf.training.feature_cache import Features, cached_features, key_of
from ffgan_tf.training.schedule import OUT_OF_TIME, Duty, Schedule, total_steps
from ffgan_tf.training.session import Session, say

ImageAt = Callable[..., tuple[tf.Tensor, tf.Tensor]]


def damsm_schedule(config: DamsmConfig, images: int) -> Schedule:
    """The schedule of a run on so many training images."""
    schedule = config.schedule
    return Schedule(
        total=total_steps(schedule.steps, schedule.epochs, images, schedule.batch),
        log_every=schedule.log_every,
        duties=(Duty("validate", schedule.validate_every, at_stop=OUT_OF_TIME, saved=True),),
    )


class DamsmData:
    """Both splits of the records, in memory, and the colours of the test images by --colour_labels."""

    def __init__(self, config: DamsmConfig, max_size: int):
        self._config, self.max_size = config, max_size
        self.train, self.test = load_split(config.data, "train"), load_split(config.data, "test")
        self.images = len(self.train.names)  # for training
        self.colours = read_colours(config, self.test.names)

    def batches(self, start_step: int, image_at: ImageAt | None) -> Iterator:
        """Training batches from a step on; `image_at` gives an image's features in place of its pixels."""
        config = self._config
        return iter(
            training_batches(
                self.train,
                max_size=self.max_size,
                image_size=config.images.image_size,
                batch=config.schedule.batch,
                max_words=config.text.max_words,
                noise_dim=0,
                seed=config.schedule.seed,
                start_step=start_step,
                image_at=image_at,
            )
        )

    def features(
        self, trunk: InceptionTrunk | None, weights: Path | None, stopped: Callable[[], bool]
    ) -> tuple[ImageAt | None, ImageAt | None]:
        """Readers of the frozen trunk's cached features: of training images (index, mirrored) and of test images
        (index); (None, None) if images are read instead. Raises Stopped if `stopped()` becomes true meanwhile."""
        config = self._config.images
        if trunk is None or weights is None or not config.cache_features:
            return None, None

        def cached(name: str, split: Split, views: int) -> Features:
            key = key_of(self._config.data, name, config.image_size, weights, views)
            return cached_features(trunk, key, split, self.max_size, config.cache_dir, stopped)

        train, test = cached("train", self.train, 2), cached("test", self.test, 1)
        return train.tensors, lambda index: test.tensors(index, False)

    def validation(self, damsm: Damsm, vocabulary: Vocabulary, features: ImageAt | None) -> Validation:
        """The validation on the test split; `features` reads cached features, None for images. Raises UserError for a
        split of one class."""
        sheet = self._config.schedule.attention_images
        return Validation(damsm, self.test, vocabulary, self.max_size, features, self.colours, sheet)


def read_colours(config: DamsmConfig, names: list[str]) -> dict[str, str] | None:
    """The colours of the test images, by name; None without --colour_labels."""
    if not config.schedule.colour_labels:
        return None
    from ffgan_tf.evaluation.colour_probe import labels_of, read_colour_labels

    flag = f"--colour_labels={config.schedule.colour_labels}"
    labels = read_colour_labels(config.schedule.colour_labels)
    return dict(zip(names, labels_of(names, labels, flag, "test images")))


def save_encoders(run: Path, damsm: Damsm, vocabulary: Vocabulary, step: int, scores: dict[str, float]) -> None:
    """Writes RUN/text_encoder, for the GAN's --text_encoder, and RUN/image_encoder, which belongs to it."""
    made_by = {
        "tool": "train_damsm",
        "step": step,
        "seed": damsm.config.schedule.seed,
        "image_encoder": damsm.config.images.image_trunk,
        **scores,
    }
    save_text_encoder(run / TEXT, damsm.text_encoder, vocabulary, made_by)
    save_image_encoder(run / IMAGE, damsm.heads, damsm.image_trunk, run / TEXT, made_by)


def repair_encoder_pair(run: Path, damsm: Damsm, vocabulary: Vocabulary, checkpoints: Checkpoints) -> None:
    """Writes the best encoders again if the two do not belong together: in a run from before the image encoder was
    saved, or one killed between the two writes. Leaves the best checkpoint in `damsm`."""
    best = checkpoints.best()
    if best is None or trained_together(run / TEXT, run / IMAGE) or checkpoints.damage(best["step"]):
        return
    checkpoints.restore(damsm.checkpoint(), best["step"])
    save_encoders(run, damsm, vocabulary, best["step"], {f"validation/{best['metric']}": best["value"]})
    say(f"wrote {run / TEXT} and {run / IMAGE} from the best checkpoint, step {best['step']:,}")


class Validate:
    """The duty behind `--validate_every`: called with a step, scores the test split, logs scores and the attention
    sheet, and writes the encoders if the step is the best so far by `--best_by`."""

    def __init__(self, session: Session, damsm: Damsm, validation: Validation, log: Log):
        self._session, self._damsm, self._validation, self._log = session, damsm, validation, log

    def __call__(self, step: int) -> None:
        session, by = self._session, self._damsm.config.schedule.best_by
        scores, sheet = self._validation(), self._validation.sheet()
        self._log.scalars(step, scores)
        self._log.images(step, sheet.tiles, sheet.labels, sheet.columns)
        best = session.checkpoints.mark_best(step, by, scores[f"validation/{by}"], lower_is_better=by == "loss")
        if best or not (session.run / TEXT).exists():
            save_encoders(session.run, self._damsm, session.vocabulary, step, scores)
        colour = ""
        if "validation/colour" in scores:
            colour = f"  colour {scores['validation/colour']:.3f} (chance {scores['validation/colour_blind']:.3f})"
        say(
            f"step {step:,}: test loss {scores['validation/loss']:.3f}  R-precision "
            f"{scores['validation/r_precision']:.3f} (chance {self._validation.chance():.3f}){colour}"
            f"{'  the best so far' if best else ''}"
        )


def damsm_figures(means: dict[str, float]) -> str:
    """The status line's figures: the loss, its word and sentence parts both ways, the learning rate."""
    return (
        f"loss {means['loss/total']:.3f}  words {means['loss/w0']:.3f} {means['loss/w1']:.3f}  sentence "
        f"{means['loss/s0']:.3f} {means['loss/s1']:.3f}  lr {means['learning_rate']:.1e}"
    )
