"""Scores of a run or of folders of images:   python -m ffgan_tf.evaluate --run=runs/birds --inception_weights=FILE

  --run=DIR                      a trained run, against its data set's real images
  --run=DIR --steps=all          its curve: every checkpoint that was kept, or --steps=250,500
  --run=DIR --damsm=DAMSM_RUN    R-precision, too
  --images=FOLDER --data=RECORDS    images on disk, against the real images of a converted data set
  --images=FOLDER --reference=FOLDER    two folders
  --images=FOLDER                Inception Score alone

FID, KID, precision, recall, density and coverage come from --inception's features, the Inception Score from
--is_inception's classes (or --inception's own), R-precision from --damsm's codes. One pass over the images feeds them
all. Features are cached: a run that dies half-way continues, and a reference is computed once. The report goes to the
terminal as a table, and as one JSON line with everything the figures depend on to RUN/metrics.jsonl (or --output), and
to TensorBoard.
docs/evaluation.md describes the protocols. Exit codes: 0 done, 2 something is for you to fix.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import flags

from ffgan_tf.config import flags as settings_flags
from ffgan_tf.config.commands import run_command
from ffgan_tf.config.shared import INT32
from ffgan_tf.evaluation.engine import CACHE, evaluate_images, run_images
from ffgan_tf.evaluation.images import FolderImages, Images, RecordImages
from ffgan_tf.evaluation.paper_table import DATASETS, table
from ffgan_tf.evaluation.protocols import NETWORKS, OLD_NAMES, PROTOCOLS, Protocol, get_protocol
from ffgan_tf.metrics.seeds import SEED
from ffgan_tf.run.source import RUN_HELP, Source, find
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import check_writable, expand_home


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", RUN_HELP)
    flags.DEFINE_integer("step", None, "Checkpoint of --run: its step; -1 the best by FID; default the newest.")
    flags.DEFINE_list("steps", [], "Several checkpoints of --run, for its curve: 250,500,1000, or all that are kept.")
    flags.DEFINE_string("images", "", "Folder of images (subfolders too), taken as they are.")
    flags.DEFINE_string("reference", "", "Folder of real images, taken as they are.")
    settings_flags.any_bytes("images", "reference")
    flags.DEFINE_string(
        "data",
        "",
        "Folder of a converted data set whose images are the reference; default with --run: the run's own.",
    )
    flags.DEFINE_enum(
        "protocol", "ffgan", [*PROTOCOLS, *OLD_NAMES], "Evaluation protocol, as docs/evaluation.md describes it."
    )
    flags.DEFINE_enum("inception", None, NETWORKS, "Network of the features; default: the protocol's.")
    flags.DEFINE_string("inception_weights", None, "Weights file of the network of --inception.")
    flags.DEFINE_enum("is_inception", None, NETWORKS, "Network of the Inception Score; default: --inception.")
    flags.DEFINE_string("is_weights", None, "Weights file of the network of --is_inception.")
    flags.DEFINE_string(
        "damsm",
        "",
        "A run of ffgan_tf.train_damsm, which measures R-precision, or the folders of its "
        "encoders: TEXT_ENCODER,IMAGE_ENCODER.",
    )
    flags.DEFINE_string(
        "damsm_trunk_weights",
        "",
        "Weights of Keras's InceptionV3 without its top that --damsm's image encoder was trained on; default: those in "
        "Keras's cache. A DAMSM with --image_trunk=small needs none.",
    )
    settings_flags.renamed("damsm_inception_weights", "damsm_trunk_weights")
    flags.DEFINE_enum(
        "precision", "float32", ("float32", "bfloat16", "float64"), "Arithmetic of the Inception networks."
    )
    flags.DEFINE_integer(
        "num_samples",
        0,
        "Images to generate, or to take of --images; 0: the protocol's count, or all.",
        lower_bound=0,
        upper_bound=INT32,
    )
    flags.DEFINE_integer(
        "image_size", 0, "Side S of --data's crops; default: that of the run's images, or of --images.", 0, 4096
    )
    flags.DEFINE_integer("batch", 32, "Images in a batch.", 1, 65536)
    flags.DEFINE_integer("seed", SEED, "Seed of the noise and of every random choice of the scores.", 0, INT32)
    flags.DEFINE_string("cache_dir", CACHE, "Folder for features, named by digests of network and images.")
    flags.DEFINE_string("output", "", "File that the JSON line is appended to; default: RUN/metrics.jsonl.")
    flags.DEFINE_integer(
        "variety", 0, "Images of each of --variety_sentences, for the variety within one sentence; 0: off.", 0, 1000
    )
    flags.DEFINE_integer("variety_sentences", 100, "Captions of the reference for --variety.", 1, INT32)
    flags.DEFINE_enum("format", "text", ("text", "md", "latex"), "Form of the tables.")
    flags.DEFINE_boolean("compare_to_paper", False, "Print the paper's Table 2 with this evaluation's row.")
    flags.DEFINE_enum(
        "dataset", None, list(DATASETS), "Column of Table 2 to compare with; default: the data set that --data names."
    )


def main(argv: list[str]) -> int:
    """Checks the flags before TensorFlow is loaded, then evaluates and reports."""
    args = flags.FLAGS
    del argv
    protocol = get_protocol(args.protocol)
    _check(args, protocol)
    source = find(args.run) if args.run else None
    _check_places(args, source)
    steps = _steps(args, source)
    evaluated = []
    for report, dataset in _evaluate(args, protocol, source, steps):
        _write(args, source, report)
        evaluated.append((report, dataset))
    _print(args, [report for report, _ in evaluated], evaluated[-1][1])
    return 0


def _steps(args: flags.FlagValues, source: Source | None) -> Sequence[int | None]:
    """The checkpoints to evaluate, ascending; [None] is the newest of --run, or --images."""
    if not args.steps or source is None:
        return [args.step]
    from ffgan_tf.run.checkpoints import Checkpoints

    kept = Checkpoints(source.needs_folder("checkpoints") / "checkpoints").steps()
    if args.steps == ["all"]:
        if not kept:
            raise UserError(f"--steps=all: {args.run} has no checkpoint. Fix: train first.")
        return kept
    if not all(step.isdecimal() for step in args.steps):
        raise UserError(f"--steps={','.join(args.steps)}: not numbers. Fix: --steps=all, or --steps=250,500")
    steps = sorted({int(step) for step in args.steps})
    if missing := [str(step) for step in steps if step not in kept]:
        raise UserError(
            f"--steps={','.join(args.steps)}: {args.run} has no checkpoint of {', '.join(missing)} (it "
            f"has {', '.join(map(str, kept)) or 'none'}). Fix: one of these, or --steps=all."
        )
    return steps


def _check_places(args: flags.FlagValues, source: Source | None) -> None:
    """Raises UserError if a result could not be written, before hours of work instead of after."""
    check_writable(expand_home(args.cache_dir), "--cache_dir", folder=True)
    if output := _output(args, source):
        check_writable(output, "--output")
    if source and not args.output:
        check_writable(source.home / "tensorboard", folder=True)


def _output(args: flags.FlagValues, source: Source | None) -> Path | None:
    """The file that the reports go to; None for --images without --output."""
    return Path(args.output) if args.output else source and source.home / "metrics.jsonl"


def _check(args: flags.FlagValues, protocol: Protocol) -> None:
    if bool(args.run) == bool(args.images):
        raise UserError("nothing, or too much, to evaluate. Fix: --run=DIR, or --images=FOLDER (not both).")
    if args.reference and (args.data or args.run):
        raise UserError(
            "--reference goes with --images alone; a run's reference, and --data's, are the data set's real images. "
            "Fix: leave --reference out."
        )
    if (args.step is not None or args.steps) and not args.run:
        raise UserError("--step and --steps name checkpoints of --run. Fix: --run=DIR, or leave them out.")
    if args.step is not None and args.steps:
        raise UserError("--step and --steps exclude each other. Fix: leave one of the two out.")
    if args.damsm and not args.run:
        raise UserError(
            "--damsm needs --run: R-precision asks for the captions that images were made from. Fix: --run=DIR."
        )
    if args.variety and not args.run:
        raise UserError("--variety needs --run: it asks for several images of one sentence. Fix: --run=DIR.")
    if args.variety == 1:
        raise UserError("--variety=1: one image has no variety. Fix: --variety=10")
    if args.damsm_trunk_weights and not args.damsm:
        raise UserError("--damsm_trunk_weights without --damsm. Fix: --damsm=RUN, the DAMSM that was trained on them.")
    if not (args.inception or protocol.network):
        raise UserError(
            f"--protocol={protocol.name} needs a network. Fix: --inception=stackgan_birds (CUB) or "
            "--inception=stackgan_flowers (Oxford-102), with --inception_weights."
        )
    if args.is_weights and not args.is_inception:
        raise UserError("--is_weights without --is_inception. Fix: --is_inception=NETWORK, which they are of.")


def _evaluate(
    args: flags.FlagValues, protocol: Protocol, source: Source | None, steps: Sequence[int | None]
) -> Iterator[tuple[dict, str]]:
    """Yields the report of each step with the data set's name."""
    from ffgan_tf.evaluation.inception.networks import load_network

    notes: list[str] = []
    data, image_size, dataset, batch = args.data, args.image_size, args.dataset or "", args.batch

    def run_at(source, step):
        from ffgan_tf.run.sampler import load_run

        return load_run(source.path, step=step, ema=protocol.weights == "ema", batch=batch)

    images: Images
    data = source.data(data) if source else data
    run = run_at(source, steps[0]) if source else None
    if run:
        image_size = image_size or run.config.model.image_size
        if image_size != run.config.model.image_size:
            raise UserError(
                f"--image_size={image_size}: the run makes images of {run.config.model.image_size}. Fix: leave it out."
            )
    else:
        images = folder = FolderImages(args.images, "images", args.num_samples, args.seed)
        if len(folder.sizes) > 1:
            notes.append(f"--images holds images of {len(folder.sizes)} sizes; each was resized by itself.")
        if data and protocol.reference_split:
            image_size = image_size or _only_size(folder)
    reference: Images | None = None
    if args.reference:
        reference = FolderImages(args.reference, "reference")
    elif data and protocol.reference_split:
        reference = records = RecordImages(
            data, protocol.reference_split, image_size, protocol.reference_crop, seed=args.seed
        )
        dataset = dataset or records.data_name
    elif not run:
        notes.append("no reference (--reference or --data): the Inception Score alone.")
    if args.variety and not isinstance(reference, RecordImages):
        raise UserError("--variety needs real images of known classes. Fix: a --protocol whose reference is --data's.")
    retrieval = None
    if args.damsm:
        from ffgan_tf.evaluation.retrieval import Damsm, retrieval_of

        retrieval = retrieval_of(
            Damsm(args.damsm, args.damsm_trunk_weights), data, protocol, args.num_samples, args.seed
        )

    def load(name, weights, preprocessing, *flag_names):
        return load_network(name, weights, args.precision, preprocessing or None, batch, flag_names)

    network = load(
        args.inception or protocol.network,
        args.inception_weights,
        protocol.preprocessing,
        "--inception",
        "--inception_weights",
    )
    is_network = None
    if args.is_inception:
        is_network = load(args.is_inception, args.is_weights, "", "--is_inception", "--is_weights")
    if args.inception and protocol.network and args.inception != protocol.network:
        notes.append(
            f"the features are those of `{args.inception}`; protocol {protocol.name} is defined with "
            f"`{protocol.network}`."
        )
    notes += sorted({each.note for each in (network, is_network) if each and each.note})
    if args.precision == "bfloat16":
        notes.append("features in bfloat16: FID moves a little, by how much stands in docs/evaluation.md.")
    for step in steps:
        if run:
            run = run if step == steps[0] else run_at(source, step)
            images = run_images(run, data, protocol, args.num_samples, args.seed, batch)
        variety = None
        if args.variety and isinstance(reference, RecordImages):
            from ffgan_tf.evaluation.sentence_variety import variety_images

            variety = variety_images(
                run, reference, args.variety_sentences, args.variety, protocol.truncation, args.seed, batch
            )
        few = []
        if run and protocol.num_samples and images.count < protocol.num_samples:
            few = [f"{images.count:,} images, where protocol {protocol.name} takes up to {protocol.num_samples:,}."]
        yield (
            evaluate_images(
                images,
                reference,
                network,
                protocol,
                is_network=is_network,
                retrieval=retrieval,
                variety=variety,
                batch=batch,
                cache_dir=args.cache_dir,
                seed=args.seed,
                step=run.step if run else None,
                notes=(*notes, *few),
            ),
            dataset,
        )


def _only_size(images: FolderImages) -> int:
    if len(images.sizes) == 1:
        width, height = next(iter(images.sizes))
        if width == height:
            return width
    sizes = ", ".join(f"{width}x{height}" for width, height in sorted(images.sizes)[:4])
    raise UserError(
        f"--images holds images of {sizes}{' …' if len(images.sizes) > 4 else ''}: not one square "
        "size, so the size of --data's crops is open. Fix: --image_size=256, or another."
    )


def _write(args: flags.FlagValues, source: Source | None, report: dict) -> None:
    from ffgan_tf.evaluation.report import append_json_line, write_tensorboard

    if output := _output(args, source):
        append_json_line(output, report)
    if source:
        try:
            write_tensorboard(source.home / "tensorboard", report)
        except UserError as error:
            if not args.output:
                raise
            print(f"note: not in TensorBoard. {error}", file=sys.stderr)  # a run of somebody else, say


def _print(args: flags.FlagValues, reports: list[dict], dataset: str) -> None:
    """Prints the scores (of all steps if there are several), the last report's protocol, notes, and Table 2."""
    from ffgan_tf.evaluation.report import curve_table, format_table, protocol_rows, score_rows

    report = reports[-1]
    if len(reports) > 1:
        print(format_table(*curve_table(reports), args.format))
    else:
        print(format_table(["score", "value"], score_rows(report), args.format))
    print()
    print(format_table(["protocol", ""], protocol_rows(report), args.format))
    for note in report["notes"]:
        print(f"note: {note}")
    if args.compare_to_paper:
        header, rows, reasons = table(report, dataset)
        print()
        if len(reports) > 1:
            print(f"step {report['step']}, the last:")
        print(format_table(header, rows, args.format))
        print("\n".join(reasons))


def cli() -> None:
    """The command ffgan-evaluate."""
    run_command(main, define_flags)


if __name__ == "__main__":
    cli()
