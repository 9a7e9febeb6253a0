"""What `--run` and `ffgan_tf.load` take: a run's folder, a model file, a shipped model's name, a URL. No TensorFlow."""

import os
from pathlib import Path
from typing import NamedTuple

from ffgan_tf.config import TrainConfig
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run import model_file, settings
from ffgan_tf.run.download import download, is_url
from ffgan_tf.run.vocabulary import RUN_VOCABULARY
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import check_utf8, sha256_file

SHIPPED = Path(__file__).resolve().parents[1] / "pretrained"  # of the package: one file a model, and its card
MODEL = f"model{model_file.ENDING}"  # in a folder that `export` made
RUN_HELP = "Folder of a trained run, a model file, a shipped model's name, or URL#sha256=HEX."


class Source(NamedTuple):
    """A trained model, not loaded yet: a run's `folder`, or a model file's header, `file`; the other is None."""

    name: str  # for people: the folder's, or what the file calls itself
    config: TrainConfig
    vocabulary: Vocabulary
    folder: Path | None
    file: model_file.ModelFile | None

    @property
    def path(self) -> Path:
        """The run's folder or the model file."""
        return self.file.path if self.file else self.folder or Path()

    @property
    def home(self) -> Path:
        """The folder of results where no other is named: the run's, or, for a model file, samples/NAME here."""
        return self.folder or Path("samples") / self.name

    @property
    def samples(self) -> Path:
        """The folder of images where no other is named: RUN/samples, or samples/NAME here."""
        return self.home / "samples" if self.folder else self.home

    def data(self, given: str) -> str:
        """The folder of the converted data set: `given`, or the run's own. Raises UserError for a model file without
        `given`: its data lie elsewhere here."""
        if not given and self.file:
            raise UserError(f"--run={self.name} is a model file: its data set is not known here. Fix: --data=RECORDS.")
        return given or self.config.data

    def needs_folder(self, what: str) -> Path:
        """The run's folder. Raises UserError for a model file, which has nothing of `what` (`checkpoints`, …)."""
        if self.folder is None:
            raise UserError(
                f"--run={self.name} is a model file, without {what}: it holds one step's generator and text encoder. "
                "Fix: name the folder of the run that it was made from."
            )
        return self.folder


def shipped_models() -> dict[str, Path]:
    """{name: file} of the models that come with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob(f"*{model_file.ENDING}"))}


def is_shipped(run: str | os.PathLike) -> bool:
    """Whether `run` is the name of a shipped model, and no file or folder here has it."""
    path = Path(run)
    return len(path.parts) == 1 and path.name in shipped_models() and not os.path.lexists(path)


def is_model(given: str) -> bool:
    """Whether this is how a model is named (a file, a shipped name, a URL), and not a folder."""
    return is_url(given) or is_shipped(given) or given.endswith(model_file.ENDING)


def vocabulary_of(given: str) -> Vocabulary:
    """The vocabulary of a text encoder's folder, converted data, a run, or a model. UserError where there is none."""
    return find(given).vocabulary if is_model(given) else Vocabulary.load(Path(given) / RUN_VOCABULARY)


def locate(run: str | os.PathLike, sha256: str | None = None) -> Path:
    """The run's folder or the model file that `run` means.

    A URL is downloaded (`ffgan_tf.run.download`). What exists as a path is that path; otherwise a plain name is a
    shipped model's. `sha256` is the digest that a file must have. Raises UserError where there is nothing by that name.
    """
    if isinstance(run, str) and is_url(run):
        return download(run, sha256)
    check_utf8(run, "--run")
    path = Path(run)
    if not os.path.lexists(path):
        shipped = shipped_models()
        if is_shipped(path):
            path = shipped[path.name]
        elif len(path.parts) == 1 and path.suffix != model_file.ENDING:
            listed = f"shipped are {', '.join(shipped)}" if shipped else "none is shipped with this installation"
            raise UserError(
                f"{settings.config_path(path)} is missing: --run={run} is not the folder of a run, and no shipped "
                f"model has that name ({listed}). Fix: name one of them, a model file, or a run; train one with "
                "python -m ffgan_tf.train --flagfile=experiments/demo.cfg"
            )
    if path.is_dir() and not settings.config_path(path).exists():
        if (path / MODEL).is_file():
            path /= MODEL
        elif (path / "saved_model.pb").is_file() or next(path.glob("*/saved_model.pb"), None):
            raise UserError(
                f"{path}: a SavedModel, for programs without ffgan_tf: tf.saved_model.load reads it. Fix: name the "
                "run, or a model file (python -m ffgan_tf.export --format=safetensors)."
            )
    if sha256 is not None:
        _check_digest(path, sha256)
    return path


def _check_digest(path: Path, wanted: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: sha256 is a file's, and this is none. Fix: leave it out.")
    if (found := sha256_file(path)) != wanted.lower():
        raise UserError(
            f"{path}: its SHA-256 is {found}, wanted {wanted}: another file, or a damaged one. Fix: compare both with "
            "what its publisher says."
        )


def run_and_step(text: str) -> tuple[str, int | None]:
    """RUN or RUN:STEP → what `locate` takes, and the step (None: the newest)."""
    folder, _, step = text.rpartition(":")
    if folder and step.isdecimal():
        return folder, int(step)
    return text, None


def find(run: str | os.PathLike, sha256: str | None = None) -> Source:
    """What `run` means, with its settings and vocabulary, as `locate`. Raises UserError where it is no whole model."""
    path = locate(run, sha256)
    if path.is_file() or path.suffix == model_file.ENDING:
        file = model_file.read_about(path)
        return Source(file.name, file.config, file.vocabulary, None, file)
    config = settings.load(TrainConfig, path)
    return Source(path.resolve().name, config, Vocabulary.load(path / RUN_VOCABULARY), path, None)
