"""What the GAN's loop is made of: records, encoders, schedule, the grid of images, the status line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.data.pipeline import load_split, training_batches
from ffgan_tf.models import build
from ffgan_tf.models.generator import Generator
from ffgan_tf.models.image_encoder import ImageEncoder, inception_weights_path
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run.encoder_files import load_image_encoder, load_text_encoder, trained_together
from ffgan_tf.run.log import Log
from ffgan_tf.run.sampler import Sampler, load_run
from ffgan_tf.run.source import is_model
from ffgan_tf.run.vocabulary import check_same_vocabulary
from ffgan_tf.training.frozen_maps import FrozenMaps
from ffgan_tf.training.gan_inputs import noise_numbers
from ffgan_tf.training.schedule import ALWAYS, Duty, Rates, Schedule, total_steps
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_atomic

COLLAPSED_SPREAD = 0.02  # a batch's μ differ by less than this, σ being near 1: I_s says nothing of the sentence


class GanData:
    """Both splits of the records, in memory. Raises UserError where no sentence could be wrong for an image (Eq. 4)."""

    def __init__(self, config: TrainConfig, max_size: int):
        self._config, self._max_size = config, max_size
        self.train, self.test = load_split(config.data, "train"), load_split(config.data, "test")
        self.images = len(self.train.names)  # for training
        if len(set(self.train.classes.tolist())) < 2:
            raise UserError(
                f"--data={config.data}: all training images are of one class, so no sentence is wrong for any "
                "(Eq. 4). Fix: convert with classes."
            )

    def batches(self, start_step: int, **place: Any) -> tf.data.Dataset:
        """Training batches from a step on, a function of the settings' seed; `place`: see `training_batches`."""
        config = self._config
        return training_batches(
            self.train,
            max_size=self._max_size,
            image_size=config.model.image_size,
            batch=config.schedule.batch,
            max_words=config.text.max_words,
            captions=config.text.captions_mean,
            captions_repeat=config.text.captions_repeat,
            noise_dim=noise_numbers(config),
            seed=config.schedule.seed,
            start_step=start_step,
            **place,
        )


def text_encoder_of(given: str) -> tuple[TextEncoder, Vocabulary]:
    """The encoder of a folder, or of a model. Raises UserError where it is missing or damaged."""
    if not is_model(given):
        return load_text_encoder(given)
    model = load_run(given)
    return model.text_encoder, model.vocabulary


def make_text_encoder(config: TrainConfig, vocabulary: Vocabulary) -> TextEncoder:
    """The run's frozen text encoder: the trained one of --text_encoder, or an untrained one drawn from the seed.

    Raises UserError where the encoder and the records do not share their vocabulary: token ids would mean other words.
    """
    if not config.text.text_encoder:
        return build.build_text_encoder(
            len(vocabulary), config.text.text_init_range, config.schedule.seed, config.text.text_forget_bias
        )
    encoder, own = text_encoder_of(config.text.text_encoder)
    check_same_vocabulary(
        own,
        f"--text_encoder={config.text.text_encoder}",
        vocabulary,
        f"--data={config.data}",
        f"convert the data in the encoder's words (convert_… --vocabulary={config.text.text_encoder}, or "
        "--captions_pickle), or take an encoder trained on these records.",
    )
    return encoder


def make_image_encoder(config: TrainConfig) -> ImageEncoder | None:
    """DAMSM's image encoder, for `--damsm_weight`; None without one. After `make_text_encoder`, which tells of a
    missing text encoder. Raises UserError where it is missing or damaged, or the text encoder is another training's.
    """
    if not config.losses.damsm_weight:
        return None
    encoder = load_image_encoder(config.losses.image_encoder, config.losses.trunk_weights, "--trunk_weights")
    if not trained_together(config.text.text_encoder, config.losses.image_encoder):
        raise UserError(
            f"--image_encoder={config.losses.image_encoder} was not trained with "
            f"--text_encoder={config.text.text_encoder}: their features do not compare. Fix: both folders of one run "
            "of train_damsm."
        )
    return encoder


def make_frozen_maps(config: TrainConfig) -> FrozenMaps | None:
    """What D's projected heads look at, for `--d_projected`; None without them. Raises UserError where its weights are
    missing or damaged."""
    if not config.model.d_projected:
        return None
    bfloat16 = config.devices.precision == "mixed_bfloat16"  # float16 could not hold the gradients by its maps
    path = inception_weights_path(
        config.losses.trunk_weights, what="--d_projected", other="or train without --d_projected"
    )
    return FrozenMaps(path, "bfloat16" if bfloat16 else "float32")


def gan_schedule(config: TrainConfig, images: int) -> Schedule:
    """The schedule of a run on so many training images."""
    schedule = config.schedule
    optimisers = config.optimisers
    return Schedule(
        rates=Rates(optimisers.lr_halve_every * images, schedule.batch, optimisers.d_first),
        total=total_steps(schedule.steps, schedule.epochs, images, schedule.batch),
        log_every=schedule.log_every,
        duties=(
            Duty("sample", schedule.sample_every, at_stop=ALWAYS),
            Duty("evaluate", config.evaluation.eval_every, saved=True),
        ),
        checkpoint_every=schedule.checkpoint_every,
        steps_per_call=config.devices.steps_per_call,
    )


class SampleGrid:
    """The grid of images: the same test sentences and noise at every step. Called with a step, it logs one.

    `refresh` is called before, on all workers at once, to bring `generator` up to date.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: GanData,
        generator: Generator,
        text_encoder: TextEncoder,
        log: Log,
        refresh: Callable[[], None],
    ):
        test, self._seed, self._log = data.test, config.schedule.seed, log
        chosen = np.linspace(0, len(test.names) - 1, min(config.schedule.grid_captions, len(test.names))).astype(int)
        self.sentences = [test.texts[i][0] for i in chosen]
        self._ids = [test.tokens[i, 0, : test.lengths[i, 0]] for i in chosen]
        self._sampler = Sampler(generator, text_encoder, config.model.z_dim, config.model.epsilon_dim, len(chosen))
        self._refresh = refresh

    def tell_sentences(self, step: int) -> None:
        """The sentences, to TensorBoard and RUN/samples."""
        self._log.text("sentences", "\n".join(f"{i + 1}. {text}" for i, text in enumerate(self.sentences)), step)
        write_atomic(Path(self._log.run) / "samples" / "sentences.txt", "\n".join(self.sentences) + "\n")

    def __call__(self, step: int) -> None:
        self._refresh()
        self._log.images(step, self._sampler(self._ids, self._seed), self.sentences)


def gan_figures(means: dict[str, float]) -> str:
    """The status line's figures: both losses, KL, and D's mean outputs on t, (t|I_s), (t|Î_s), of the largest image's
    D; without what the family does not have."""
    figures = {
        "D": ("loss_d/total", ".3f"),
        "G": ("loss_g/total", ".3f"),
        "KL": ("loss_g/kl", ".4f"),
        "projected": ("loss_d/projected", ".2f"),
        "D(t)": ("D/real", ".2f"),
        "D(t|I)": ("D/real_matching", ".2f"),
        "D(t|wrong)": ("D/real_mismatching", ".2f"),
    }
    return "  ".join(f"{label} {means[name]:{form}}" for label, (name, form) in figures.items() if name in means)


def collapse_warning(means: dict[str, float], condition: str) -> str:
    """What the status line adds where I_s is the same for all sentences; it is not used where D sees the sentence."""
    collapsed = condition != "sentence" and means["text/mu_spread"] < COLLAPSED_SPREAD
    return "  I_s has collapsed" if collapsed else ""


def excused_non_finite(metrics: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Which of the metrics (steps, names) need not be finite, boolean: under a loss scale above 1, gradients too large
    for float16 are no divergence; the optimiser leaves the step out and lowers the scale."""
    excused = np.zeros(metrics.shape, bool)
    for place, name in enumerate(names):
        if name.startswith("grad_norm/"):
            excused[:, place] = metrics[:, names.index(name.replace("grad_norm/", "loss_scale/"))] > 1
    return excused
