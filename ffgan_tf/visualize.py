"""Sheets that show what a run does:   python -m ffgan_tf.visualize --run=runs/birds KIND --text="a small yellow bird"

  attention    where A_1 and A_2 look for each word, as light on the image
  features     the paper's Fig. 5: F1, F_2f and F_3f, their energy and liveliest channels, beside the image
  edits        one sentence with words swapped, the same noise:   --text="a red bird" --swap=red=blue,yellow
  interpolate  from sentence to sentence (--text twice) or noise to noise (--seeds=1,2); PNG and animated WebP
  variety      one sentence, many noises:   --seeds=0-29
  neighbours   the training images nearest to generated ones, by pixels or --by=inception: learned by heart?
  compare      models in rows, sentences in columns:   --model=runs/a --model=DF-GAN=FOLDER_OF_IMAGES

Sentences come from --text (again for more), --text_file, or --captions=test:16, captions of the run's data. Each PNG
goes to --out (default RUN/samples/KIND) and says in its text chunks how it was made. docs/looking.md has examples.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from ffgan_tf import __version__
from ffgan_tf.config import TrainConfig
from ffgan_tf.config.commands import run_command
from ffgan_tf.data import records
from ffgan_tf.evaluation.protocols import NETWORKS
from ffgan_tf.run import settings
from ffgan_tf.run.reading import UnknownWords
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import write_atomic
from ffgan_tf.utils.image_files import png_bytes, webp_animation
from ffgan_tf.utils.seeds import parse_seeds
from ffgan_tf.visuals import compare
from ffgan_tf.visuals.sentences import Caption, choose_captions, parse_captions, parse_swap, read_texts

if TYPE_CHECKING:
    from ffgan_tf.run.text_to_image import TextToImage

# Each kind, and the flags that only some kinds know.
KINDS: dict[str, tuple[str, ...]] = {
    "attention": (),
    "features": ("channels",),
    "edits": ("swap",),
    "interpolate": ("frames",),
    "variety": (),
    "neighbours": ("neighbours", "by", "inception", "inception_weights", "data"),
    "compare": ("model", "list", "real", "data"),
}
OWN_FLAGS = {name for own in KINDS.values() for name in own}
EXAMPLE = 'Fix: --text="a small yellow bird", --text_file=FILE with one a line, or --captions=test:8.'


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", "Folder of a trained run.")
    flags.DEFINE_multi_string("text", [], "A sentence; give the flag again for more.")
    flags.DEFINE_string("text_file", "", "A UTF-8 file with a sentence a line.")
    flags.DEFINE_string("captions", "", "Captions of the run's data set: test:16 spreads 16 over its test split.")
    flags.DEFINE_string("seeds", "1", "Seeds of the noise: 7, 0-29, or 1,4,7-9.")
    flags.DEFINE_float("truncation", 0.0, "Cut the noise's normal distribution off at this; 0: not cut.", lower_bound=0)
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_string("out", "", "Folder for the sheets; default RUN/samples/KIND.")
    flags.DEFINE_integer("channels", 6, "features: channels to show of each map.", lower_bound=1, upper_bound=16)
    flags.DEFINE_multi_string(
        "swap", [], "edits: red=blue,yellow puts blue, then yellow, for red; again for more words."
    )
    flags.DEFINE_integer("frames", 8, "interpolate: images of a way, both ends among them.", lower_bound=2)
    flags.DEFINE_integer("neighbours", 5, "neighbours: training images for each generated one.", lower_bound=1)
    flags.DEFINE_enum("by", "pixels", ("pixels", "inception"), "neighbours: what near means.")
    flags.DEFINE_enum("inception", "fid2015", NETWORKS, "neighbours: network of --by=inception.")
    flags.DEFINE_string("inception_weights", None, "neighbours: its weights file.")
    flags.DEFINE_multi_string("model", [], "compare: a run or a folder of images, DIR or NAME=DIR; again for more.")
    flags.DEFINE_multi_string("list", [], "compare: NAME=FILE, whose lines say which image is of which sentence.")
    flags.DEFINE_boolean("real", True, "compare: with --captions, a first row of the photographs.")
    flags.DEFINE_string("data", "", "Converted data set; default the run's own.")


class Task:
    """What the flags ask for, checked; TensorFlow is not loaded yet."""

    def __init__(self, kind: str, given: flags.FlagValues):
        if kind not in KINDS:
            raise UserError(f"{kind!r} is no kind of sheet. Fix: one of {', '.join(KINDS)}.")
        for name in sorted(OWN_FLAGS - set(KINDS[kind])):
            if given[name].present:
                of = ", ".join(other for other, own in KINDS.items() if name in own)
                raise UserError(f"--{name} is a flag of {of}, not of {kind}. Fix: leave it out.")
        self.kind, self.given = kind, given
        self.seeds = parse_seeds(given.seeds)
        self.texts = read_texts(given.text, given.text_file) if given.text or given.text_file else []
        self.captions = parse_captions(given.captions) if given.captions else None
        if not self.texts and not self.captions:
            raise UserError(f"no sentence given. {EXAMPLE}")
        if not given.run and kind != "compare":
            raise UserError("--run is missing: the folder of a trained run.")
        self.run = Path(given.run) if given.run else None
        self.models = [compare.parse_model(text) for text in given.model]
        if kind == "compare":
            self._check_compare()
        runs = [path for path in [self.run, *(path for _, path in self.models if compare.is_run(path))] if path]
        configs = [settings.load(TrainConfig, path) for path in runs]
        self.data = given.data or (configs[0].data if configs else "")
        if self.captions or kind == "neighbours":
            if not self.data:
                raise UserError("--captions needs the data set. Fix: --data=RECORDS, the folder it was converted to.")
            records.read_manifest(self.data)
        self.swaps = [parse_swap(text) for text in given.swap]
        if kind == "edits" and not self.swaps:
            raise UserError("edits needs a word to swap. Fix: --swap=red=blue,yellow")
        self.out = Path(given.out) if given.out else (self.run or Path(".")) / "samples" / kind

    def _check_compare(self) -> None:
        if self.run:
            self.models.insert(0, (self.run.name, self.run))
        if not self.models:
            raise UserError("compare needs models. Fix: --model=runs/a --model=DF-GAN=FOLDER_OF_IMAGES")
        names = [name for name, _ in self.models]
        if len(set(names)) < len(names):
            raise UserError(f"--model: two are called {max(names, key=names.count)!r}. Fix: --model=NAME=DIR")
        self.lists = dict(text.partition("=")[::2] for text in self.given.list)
        for name, file in self.lists.items():
            if name not in names or not Path(file).is_file():
                raise UserError(
                    f"--list={name}={file}: no such model or file. Fix: --list=NAME=FILE, NAME of a --model."
                )

    def sentences(self) -> list[Caption]:
        """All sentences, the user's own first."""
        own = [Caption(text, "", -1) for text in self.texts]
        if not self.captions:
            return own
        from ffgan_tf.data.pipeline import load_split

        split, count = self.captions
        found = load_split(self.data, split)
        return own + choose_captions(found.names, found.texts, count)

    def model(self, path: Path) -> "TextToImage":
        """A run, loaded."""
        from ffgan_tf.run.text_to_image import load

        return load(path, self.given.step, self.given.ema)

    def describe(self, model: "TextToImage | None", sentences: list[str], **others: Any) -> dict[str, Any]:
        """The settings that go into a sheet's file."""
        given = self.given
        found: dict[str, Any] = {"Software": f"ffgan_tf {__version__}", "kind": self.kind}
        if model:
            found |= {"run": str(model.folder), "step": model.step, "ema": model.ema}
        found |= {"sentences": sentences, "seeds": self.seeds, "truncation": given.truncation}
        return (
            found
            | {name: given[name].value for name in KINDS[self.kind] if given[name].value not in (None, "", [])}
            | others
        )


def each(task: Task) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """(file name without ending, its settings, sheet (H, W, 3) uint8 or Interpolation) for every file of the task."""
    from ffgan_tf.visuals import sheets

    captions = task.sentences()
    texts = [caption.text for caption in captions]
    given, cut = task.given, task.given.truncation
    if task.kind == "compare":
        yield (
            "compare",
            task.describe(None, texts, models=[str(path) for _, path in task.models]),
            _compare(task, captions),
        )
        return
    model = task.model(task.run)
    _warn(model, texts)
    if task.kind == "neighbours":
        yield "neighbours", task.describe(model, texts), _neighbours(task, model, texts)
    elif task.kind == "interpolate":
        found = sheets.interpolation(model, texts, task.seeds, given.frames, cut)
        yield _name(1, texts[0]), task.describe(model, texts), found
    else:
        one: dict[str, Callable] = {
            "attention": lambda text, seed: sheets.attention_sheet(model, text, seed, cut),
            "features": lambda text, seed: sheets.features_sheet(model, text, seed, cut, given.channels),
        }
        many: dict[str, Callable] = {
            "edits": lambda text: sheets.edits_sheet(model, text, task.swaps, task.seeds, cut),
            "variety": lambda text: sheets.variety_sheet(model, text, task.seeds, cut),
        }
        for number, text in enumerate(texts, 1):
            if task.kind in many:
                yield _name(number, text), task.describe(model, [text]), many[task.kind](text)
                continue
            for seed in task.seeds:
                name = _name(number, text) + (f"-seed{seed}" if len(task.seeds) > 1 else "")
                yield name, task.describe(model, [text], seeds=[seed]), one[task.kind](text, seed)


def _name(number: int, text: str) -> str:
    return f"{number:02d}-{compare.slug(text)[:60].strip('-')}"


def _warn(model: "TextToImage", texts: list[str]) -> None:
    """Tells of words left out, once each; later calls say nothing of them."""
    for text in dict.fromkeys(texts):
        if warning := model.read(text).warning:
            print(f"warning: {warning}", file=sys.stderr)
    warnings.simplefilter("ignore", UnknownWords)


def _neighbours(task: Task, model: "TextToImage", texts: list[str]):
    from ffgan_tf.visuals.neighbours import TrainingImages, neighbours_sheet

    network = None
    if task.given.by == "inception":
        from ffgan_tf.evaluation.inception.networks import load_network

        network = load_network(task.given.inception, task.given.inception_weights)
    training = TrainingImages(task.data, model.image_size, network)
    return neighbours_sheet(model, training, texts, task.seeds, task.given.neighbours, task.given.truncation)


def _compare(task: Task, captions: list[Caption]):
    rows, texts = [], [caption.text for caption in captions]
    for name, path in task.models:
        if not compare.is_run(path):
            list_file = task.lists.get(name)
            rows.append(compare.folder_row(name, path, captions, Path(list_file) if list_file else None))
            continue
        model = task.model(path)
        _warn(model, texts)
        images = model.generate(texts, seeds=task.seeds, truncation=task.given.truncation)
        for place, seed in enumerate(task.seeds):
            label = f"{name}, step {model.step:,}" + (f", seed {seed}" if len(task.seeds) > 1 else "")
            rows.append(compare.Row(label, list(images[place :: len(task.seeds)])))
    if task.captions and task.given.real:
        rows.insert(0, _photographs(task, captions, rows))
    return compare.compare_sheet(rows, captions)


def _photographs(task: Task, captions: list[Caption], rows) -> "compare.Row":
    from ffgan_tf.evaluation.images import RecordImages

    size = min(image.shape[0] for row in rows for image in row.images if image is not None)
    largest = records.read_manifest(task.data)["image"]["max_size"]
    size = max(s for s in (largest, largest // 2, largest // 4) if s <= max(size, largest // 4))
    photographs = RecordImages(task.data, task.captions[0], size)
    found = [None if c.place < 0 else next(photographs.read(c.place, c.place + 1)) for c in captions]
    return compare.Row("photograph", found)


def main(argv: list[str]) -> int:
    """Checks what was asked before TensorFlow is loaded; draws; writes."""
    task = Task(argv[1], flags.FLAGS)
    for name, described, found in each(task):
        path = task.out / f"{name}.png"
        sheet = getattr(found, "sheet", found)
        with report_write_errors(path):
            write_atomic(path, png_bytes(sheet, described))
        print(path)
        if sheet is not found:
            film = path.with_suffix(".webp")
            with report_write_errors(film):
                write_atomic(film, webp_animation(found.frames, found.milliseconds, described))
            print(film)
    return 0


def cli() -> None:
    """The command as `python -m ffgan_tf.visualize` and `ffgan-visualize` start it."""
    run_command(main, define_flags, arguments=1, wanted=f"Give one kind of sheet: {', '.join(KINDS)}.")


if __name__ == "__main__":
    cli()
