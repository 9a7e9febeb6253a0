"""A run to take away:   python -m ffgan_tf.export --run=runs/birds --out=birds

  --format=saved_model   a SavedModel in OUT/1 that takes raw sentences and needs TensorFlow alone: arrays, PNG files,
                         attention maps; TensorFlow Serving reads OUT
  --format=safetensors   one file: generator (its moving average), text encoder, settings, vocabulary, step, where the
                         weights come from. `ffgan_tf.load(FILE)` and --run=FILE of the commands read it; nothing in it
                         runs. --dtype=float16 halves it. --out=birds.safetensors, or a folder for model.safetensors

Beside it lies a model card with the figures that evaluate has measured of that step, and with images of --text
(default: captions of test images). --run may be a model file, too. docs/export.md has all of it. Exit codes: 0 done, 2
something is for you to fix.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.run.model_file import DTYPES, ENDING, NAME, ModelFile, write
from ffgan_tf.run.sentence_flags import Line, check_words
from ffgan_tf.run.source import MODEL, RUN_HELP, Source, find
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import check_writable, directory_atomic, sha256_file, write_atomic

if TYPE_CHECKING:
    from ffgan_tf.run.sampler import Run

SENTENCES = 12  # on the card


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", RUN_HELP)
    flags.DEFINE_string("out", "", "File or folder to make; it must not be there yet.")
    flags.DEFINE_enum("format", "saved_model", ("saved_model", "safetensors"), "What to make.")
    flags.DEFINE_enum("dtype", "float32", DTYPES, "safetensors: how matrices and kernels are stored.")
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_string("name", "", "What the model is called; default: the name of --out.")
    flags.DEFINE_string("license", "other", "Licence of the weights, for the card: an SPDX name such as apache-2.0.")
    flags.DEFINE_string("dataset", "", "Name of the data set, for the card; default: the one in its manifest.")
    flags.DEFINE_multi_string("note", [], "A sentence for the card on data or limits; again for more.")
    flags.DEFINE_multi_string("text", [], "A sentence for the card's images; again for more.")


class Target:
    """Where an export goes: `path`, the file or folder to make, the model's `name`, the card and its image beside."""

    def __init__(self, out: str, name: str, saved_model: bool):
        """Raises UserError where something is there already, or the name is none."""
        path = Path(out)
        single = not saved_model and path.suffix == ENDING
        self.name = name or re.sub(r"[^\w.-]+", "-", path.stem if single else path.resolve().name)
        if not NAME.fullmatch(self.name):
            raise UserError(f"--name={self.name}: letters, digits, dots and hyphens, at most 100. Fix: --name=birds")
        self.path = path if single or saved_model else path / MODEL
        self.card = path.with_suffix(".md") if single else path / "README.md"
        self.image = path.with_suffix(".webp") if single else path / "images.webp"
        for made in (self.path, self.card, self.image):
            if os.path.lexists(made):
                raise UserError(f"--out={out}: {made} is there already. Fix: another --out, or remove it first.")


def main(argv: list[str]) -> int:
    """Checks flags, words and places before TensorFlow loads; reads the run; writes."""
    del argv
    given = flags.FLAGS
    saved_model = given.format == "saved_model"
    if saved_model and given["dtype"].present:
        raise UserError(
            f"--dtype={given.dtype} is for --format=safetensors; a SavedModel holds float32. Fix: leave it out."
        )
    to = Target(given.out, given.name, saved_model)
    source = find(given.run)
    sentences = list(given.text) or example_sentences(source)
    check_words([Line(text, "--text") for text in given.text], source.vocabulary)
    check_writable(to.path, "--out")
    from ffgan_tf.run.sampler import load_run

    run = load_run(source.path, step=given.step, ema=given.ema, batch=4, precision="float32")
    model = described(given, source, run, to, sentences)
    if saved_model:
        write_folder(run, model, to, sentences)
    else:
        write_file(run, model, to, sentences, given.dtype)
    return 0


def example_sentences(source: Source) -> list[str]:
    """Sentences for the card: a model file's own, or captions spread over the test split; none where it is not here."""
    if source.file:
        return [str(text) for text in source.file.provenance.get("sentences", [])]
    from ffgan_tf.data.pipeline import load_split
    from ffgan_tf.visuals.sentences import choose_captions

    try:
        found = load_split(source.config.data, "test")
    except UserError:
        return []
    return [caption.text for caption in choose_captions(found.names, found.texts, SENTENCES)]


def described(given: flags.FlagValues, source: Source, run: "Run", to: Target, sentences: list[str]) -> ModelFile:
    """The header of a model file: all that is known of the weights."""
    from ffgan_tf.exporting.provenance import provenance, without_paths

    about = provenance(source, run.step, given.license, list(given.note))
    if given.dataset:
        about["data"] = {**about.get("data", {}), "name": given.dataset}
    about["sentences"] = about.get("sentences") or ([] if given.text else sentences)
    weights = "ema" if given.ema else "last"
    return ModelFile(to.path, to.name, without_paths(run.config), run.vocabulary, run.step, weights, about)


def write_card(run: "Run", model: ModelFile, folder: Path, to: Target, sentences: list[str], **more) -> None:
    """Writes the card and its image into `folder`."""
    import warnings

    from ffgan_tf.exporting.card import card, sheet_webp
    from ffgan_tf.run.reading import UnknownWords
    from ffgan_tf.run.text_to_image import TextToImage

    if sentences:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownWords)  # check_words has named them
            images = TextToImage(run, model.weights == "ema").generate(sentences)
        write_atomic(folder / to.image.name, sheet_webp(images, sentences))
    text = card(model, sentences=sentences, image=to.image.name if sentences else "", **more)
    write_atomic(folder / to.card.name, text)


def write_file(run: "Run", model: ModelFile, to: Target, sentences: list[str], dtype: str) -> None:
    """Writes a model file and its card, whose images are those of the file as it is read again."""
    from ffgan_tf.run.model_weights import tensors_of
    from ffgan_tf.run.sampler import load_run

    with report_write_errors(to.path):
        write(model, tensors_of(run.generator, run.text_encoder), dtype)
    digest = sha256_file(to.path)
    again = load_run(to.path, ema=model.weights == "ema", batch=4)
    with report_write_errors(to.card):
        digests = {to.path.name: digest}
        more = {"kind": "safetensors", "file": to.path.name, "dtype": dtype, "digests": digests}
        write_card(again, model, to.card.parent, to, sentences, **more)
    print(f"{to.path}: {to.path.stat().st_size:,} bytes, SHA-256 {digest}; its card: {to.card}")


def write_folder(run: "Run", model: ModelFile, to: Target, sentences: list[str]) -> None:
    """Writes a SavedModel as version 1 of a folder, and its card."""
    from ffgan_tf.exporting.saved_model import write_saved_model

    with report_write_errors(to.path), directory_atomic(to.path) as folder:
        write_saved_model(run, folder / "1")
        write_card(run, model, folder, to, sentences, kind="saved_model", file=f"{to.name}/1")
    size = sum(path.stat().st_size for path in (to.path / "1").rglob("*") if path.is_file())
    print(f"{to.path / '1'}: {size:,} bytes; its card: {to.card}")


def cli() -> None:
    """The command ffgan-export."""
    run_command(main, define_flags, required=["run", "out"])


if __name__ == "__main__":
    cli()
