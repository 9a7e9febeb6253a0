"""FID during training, and the choice of the best checkpoint."""

from collections.abc import Callable
from pathlib import Path

from ffgan_tf.config import TrainConfig
from ffgan_tf.evaluation.engine import evaluate_images, run_images
from ffgan_tf.evaluation.images import RecordImages
from ffgan_tf.evaluation.inception.networks import load_network
from ffgan_tf.evaluation.protocols import get_protocol
from ffgan_tf.evaluation.report import append_json_line, is_reported, write_tensorboard
from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.models.generator import Generator
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.run.sampler import Run, Sampler
from ffgan_tf.training.session import Session, say

BATCH = 32


class Evaluator:
    """Scores the run's EMA generator by protocol `ffgan` on `--eval_samples` test captions.

    Created at the start, so that missing weights are reported before training. Its FID compares along one run and
    between runs of one recipe, but not with `evaluate`'s at other counts (FID falls as the count grows).
    """

    def __init__(self, config: TrainConfig, folder: Path, vocabulary, generator, text_encoder):
        self._protocol = get_protocol("ffgan")
        self._network = load_network(
            config.evaluation.eval_inception,
            config.evaluation.eval_inception_weights or None,
            batch_size=BATCH,
            flags=("--eval_inception", "--eval_inception_weights"),
        )
        self._reference = RecordImages(
            config.data,
            self._protocol.reference_split,
            config.model.image_size,
            self._protocol.reference_crop,
            seed=SEED,
        )
        sampler = Sampler(generator, text_encoder, config.model.z_dim, config.model.epsilon_dim, BATCH)
        self._folder = folder
        self._run = Run(folder, config, vocabulary, 0, sampler, generator, text_encoder)

    def report(self, step: int) -> dict:
        """The report at a step, appended to `RUN/metrics.jsonl` and to TensorBoard."""
        run = self._run._replace(step=step)
        images = run_images(run, run.config.data, self._protocol, run.config.evaluation.eval_samples, SEED, BATCH)
        report = evaluate_images(
            images, self._reference, self._network, self._protocol, batch=BATCH, seed=SEED, step=step
        )
        if not is_reported(self._folder / "metrics.jsonl", report):
            append_json_line(self._folder / "metrics.jsonl", report)
        write_tensorboard(self._folder / "tensorboard", report)
        return report


def make_evaluator(
    config: TrainConfig, session: Session, generator: Generator, text_encoder: TextEncoder
) -> Evaluator | None:
    """None without `--eval_every`, and on workers that do not write the run."""
    if not config.evaluation.eval_every or not session.writes_run:
        return None
    return Evaluator(config, session.run, session.vocabulary, generator, text_encoder)


class PeriodicFid:
    """The duty behind `--eval_every`: called with a step, evaluates and keeps the checkpoint of the lowest FID.

    `refresh` updates the sampling generator, on all workers at once; workers without an evaluator do nothing else.
    """

    def __init__(self, session: Session, evaluator: Evaluator | None, samples: int, refresh: Callable[[], None]):
        self._session, self._evaluator, self._samples, self._refresh = session, evaluator, samples, refresh

    def __call__(self, step: int) -> None:
        self._refresh()
        if self._evaluator is None:
            return
        fid = self._evaluator.report(step)["fid"]
        best = self._session.checkpoints.mark_best(step, "fid", fid)
        say(f"step {step:,}: FID {fid:.2f} on {self._samples:,} test captions{', the best so far' if best else ''}")
