"""Sheets that explain a run:   python -m ffgan_tf.visualize --run=runs/birds KIND --text="a small yellow bird"

  attention    where A_1 and A_2 attend for each word, as light on the image
  features     the paper's Fig. 5: F1, F_2f and F_3f, their energy and most variable channels, beside the image
  edits        one sentence with words swapped, the same noise:   --text="a red bird" --swap=red=blue,yellow
  interpolate  from sentence to sentence (--text twice) or noise to noise (--seeds=1,2); PNG and animated WebP
  variety      one sentence, many noises:   --seeds=0-29
  neighbours   the training images nearest to generated ones, by pixels or --by=inception: memorised?
  compare      models in rows, sentences in columns:   --model=runs/a --model=DF-GAN=FOLDER_OF_IMAGES

Sentences come from --text (again for more), --text_file, or --captions=test:16, captions of the run's data. Each PNG
goes to --out (default RUN/samples/KIND); its text chunks hold the settings. docs/looking.md has examples.
"""

from pathlib import Path

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.config.flags import any_bytes
from ffgan_tf.data import records
from ffgan_tf.evaluation.protocols import NETWORKS
from ffgan_tf.run.sentence_flags import check_words, define_sentence_flags, read_lines
from ffgan_tf.run.source import RUN_HELP, Source, find
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import check_writable, write_atomic
from ffgan_tf.utils.image_files import png_bytes, webp_animation
from ffgan_tf.utils.seeds import parse_seeds
from ffgan_tf.visuals import compare
from ffgan_tf.visuals.sentences import check_swap, parse_captions, parse_swap, stops_of, swapped
from ffgan_tf.visuals.task import Task

MOST_TILES = 2_000  # of a sheet: at 128 pixels a side it has 100 MB
# Each kind with its own flags.
KINDS: dict[str, tuple[str, ...]] = {
    "attention": (),
    "features": ("channels",),
    "edits": ("swap",),
    "interpolate": ("frames",),
    "variety": (),
    "neighbours": ("neighbours", "by", "inception", "inception_weights"),
    "compare": ("model", "list", "real"),
}


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", RUN_HELP)
    define_sentence_flags()
    flags.DEFINE_string("captions", "", "Captions of the run's data set: test:16 spreads 16 over its test split.")
    flags.DEFINE_string("seeds", "1", "Seeds of the noise: 7, 0-29, or 1,4,7-9.")
    flags.DEFINE_float("truncation", 0.0, "Cut the noise's normal distribution off at this; 0: not cut.", lower_bound=0)
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_string("out", "", "Folder for the sheets; default RUN/samples/KIND, or samples/NAME/KIND.")
    flags.DEFINE_integer("channels", 6, "features: channels to show of each map.", lower_bound=1, upper_bound=16)
    flags.DEFINE_multi_string(
        "swap", [], "edits: red=blue,yellow puts blue, then yellow, for red; again for more words."
    )
    flags.DEFINE_integer("frames", 8, "interpolate: images from stop to stop, both included.", lower_bound=2)
    flags.DEFINE_integer("neighbours", 5, "neighbours: training images for each generated one.", lower_bound=1)
    flags.DEFINE_enum("by", "pixels", ("pixels", "inception"), "neighbours: what near means.")
    flags.DEFINE_enum("inception", "fid2015", NETWORKS, "neighbours: network of --by=inception.")
    flags.DEFINE_string("inception_weights", None, "neighbours: its weights file.")
    flags.DEFINE_multi_string("model", [], "compare: a run or a folder of images, DIR or NAME=DIR; again for more.")
    flags.DEFINE_multi_string("list", [], "compare: NAME=FILE, whose lines say which image is of which sentence.")
    any_bytes("list")
    flags.DEFINE_boolean("real", True, "compare: with --captions, a first row of the photographs.")
    flags.DEFINE_string("data", "", "Converted data set; default the run's own.")


def make_task(kind: str, args: flags.FlagValues) -> Task:
    """The task by the flags, its files and words checked. Raises UserError. Does not load TensorFlow."""
    if kind not in KINDS:
        raise UserError(f"{kind!r} is no kind of sheet. Fix: one of {', '.join(KINDS)}.")
    for name in sorted({name for own in KINDS.values() for name in own} - set(KINDS[kind])):
        if args[name].present:
            owners = ", ".join(other for other, own in KINDS.items() if name in own)
            raise UserError(f"--{name} is a flag of {owners}, not of {kind}. Fix: leave it out.")
    if not args.truncation < float("inf"):  # nan, too
        raise UserError(f"--truncation={args.truncation}: not a finite number. Fix: 0, or between 0.5 and 2.")
    if not args.run and kind != "compare":
        raise UserError("--run is missing. Fix: --run=DIR, the folder of a trained run.")
    own = find(args.run) if args.run else None
    models, lists = _models(args, own) if kind == "compare" else ([], {})
    sources = [own] if own else []
    sources += [find(path) for _, path in models if compare.is_run(path) and not (own and path == own.path)]
    lines = read_lines(args.text, args.text_file) if args.text or args.text_file else []
    for source in sources:
        check_words(lines, source.vocabulary)
    captions = parse_captions(args.captions) if args.captions else None
    if not lines and not captions:
        raise UserError(
            'no sentence given. Fix: --text="a small yellow bird", --text_file=FILE with one a line, or '
            "--captions=test:8."
        )
    data = args.data
    if captions or kind == "neighbours":
        data = sources[0].data(data) if sources else data
        if not data:
            raise UserError("--captions needs the data set. Fix: --data=RECORDS, the folder it was converted to.")
        records.read_manifest(data)
    task = Task(
        kind=kind,
        run=own,
        texts=[line.sentence for line in lines],
        captions=captions,
        data=data,
        seeds=parse_seeds(args.seeds),
        truncation=args.truncation,
        step=args.step,
        ema=args.ema,
        swaps=[parse_swap(text) for text in args.swap],
        models=models,
        lists=lists,
        options={name: args[name].value for name in KINDS[kind]},
    )
    _check_kind(task)
    return task


def _tiles(task: Task) -> int:
    """Images that one sheet of the task would hold; 1 where each image has a file of its own."""
    texts, seeds = len(task.texts) + (task.captions[1] if task.captions else 0), len(task.seeds)
    if task.kind == "edits":
        return seeds * (1 + sum(len(others) for _, others in task.swaps))
    if task.kind == "neighbours":
        return texts * seeds * (1 + task.options["neighbours"])
    if task.kind == "interpolate":
        return max(texts, seeds) * task.options["frames"]
    return {"variety": seeds, "compare": texts * seeds * len(task.models)}.get(task.kind, 1)


def _check_kind(task: Task) -> None:
    if (tiles := _tiles(task)) > MOST_TILES:
        raise UserError(
            f"{task.kind}: {tiles:,} images in one sheet, and a sheet has room for {MOST_TILES:,}. Fix: fewer --seeds, "
            "sentences or --frames."
        )
    if task.kind == "edits":
        if not task.swaps:
            raise UserError("edits needs a word to swap. Fix: --swap=red=blue,yellow")
        for text in task.texts:
            for word, others in task.swaps:
                swapped(text, word, others[0])
        assert task.run is not None  # edits needs --run, which is checked before
        for word, others in task.swaps:
            check_swap(task.run.vocabulary, word, others)
    if task.kind == "interpolate" and not task.captions:
        stops_of(task.texts, task.seeds)
    if task.kind == "neighbours" and task.options["by"] == "pixels" and task.options["inception_weights"]:
        raise UserError("--inception_weights without --by=inception. Fix: --by=inception.")


def _models(args: flags.FlagValues, own: Source | None) -> tuple[list[tuple[str, Path]], dict[str, Path]]:
    """The models of compare, --run first, and the lists of those that have one."""
    models = [(own.name, own.path)] if own else []
    models += [compare.parse_model(text) for text in args.model]
    if not models:
        raise UserError("compare needs models. Fix: --model=runs/a --model=DF-GAN=FOLDER_OF_IMAGES")
    names = [name for name, _ in models]
    if len(set(names)) < len(names):
        raise UserError(f"--model: two are called {max(names, key=names.count)!r}. Fix: --model=NAME=DIR")
    lists = {}
    for text in args.list:
        name, _, file = text.partition("=")
        if name not in names or not Path(file).is_file():
            raise UserError(f"--list={text}: no such model or file. Fix: --list=NAME=FILE, NAME that of a --model.")
        lists[name] = Path(file)
    return models, lists


def main(argv: list[str]) -> int:
    """Checks the flags before TensorFlow is loaded, then draws and writes."""
    args = flags.FLAGS
    task = make_task(argv[1], args)
    out = Path(args.out) if args.out else (task.run.samples if task.run else Path("samples")) / task.kind
    check_writable(out, "--out", folder=True)
    for name, described, drawn in task.draw():
        path = out / f"{name}.png"
        sheet = getattr(drawn, "sheet", drawn)
        with report_write_errors(path):
            write_atomic(path, png_bytes(sheet, described))
        print(path, flush=True)
        if sheet is not drawn:
            film = path.with_suffix(".webp")
            with report_write_errors(film):
                write_atomic(film, webp_animation(drawn.frames, drawn.milliseconds, described))
            print(film, flush=True)
    return 0


def cli() -> None:
    """The command ffgan-visualize."""
    run_command(main, define_flags, arguments=1, wanted=f"Give one kind of sheet: {', '.join(KINDS)}.")


if __name__ == "__main__":
    cli()
