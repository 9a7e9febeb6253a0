"""Do images show the colour in their sentence?

    python -m ffgan_tf.colour_agreement --run=runs/demo --labels=demo_data/birds/colours.csv

Generates images of test sentences with a trained run; a small probe predicts the colour of the bird or flower. The
expected colour is that of the sentence's photograph, from --labels: a CSV with the columns image and colour
(ffgan_tf.make_demo_dataset writes one). The probe is fitted on the train split's real images; the report has its
accuracy on the test split's, and chance. One JSON line goes to RUN/metrics.jsonl.
Exit codes: 0 done, 2 something is for you to fix.
"""

from pathlib import Path

import numpy as np
from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.config.flags import any_bytes
from ffgan_tf.config.shared import INT32
from ffgan_tf.run.source import find
from ffgan_tf.utils.files import check_writable, write_atomic


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", "Folder of a trained run, a model file, or a shipped model's name.")
    flags.DEFINE_string("labels", "", "CSV with the columns image and colour.")
    any_bytes("labels")
    flags.DEFINE_string("data", "", "Folder of the converted data set; default: the run's own.")
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_integer("num_samples", 0, "Images to generate; 0: one for each test image.", 0, INT32)
    flags.DEFINE_integer("seed", 1, "Seed of the noise and of the choice of captions.", 0, INT32)
    flags.DEFINE_integer("batch", 32, "Images in a batch.", 1, 65536)
    flags.DEFINE_string("sheet", "", "PNG of images sorted by expected colour; default RUN/samples/colours.png.")


PER_COLOUR = 10  # images of each colour on the sheet


def tables(report: dict) -> str:
    """The figures as tables: overall, then by expected and predicted colour."""
    from ffgan_tf.evaluation.report import format_table

    rows = []
    for label, name in (("generated images", "generated_detail"), ("real test images", "real_detail")):
        detail = report[name]
        low, high = detail["interval"]
        rows.append([label, f"{detail['accuracy']:.3f}", f"{low:.3f} to {high:.3f}", f"{detail['count']:,}"])
    detail = report["generated_detail"]
    rows.append([f"chance, 1 of {len(detail['colours'])}", f"{detail['chance']:.3f}", "", ""])
    rows.append(["chance, colours as often as predicted", f"{detail['chance_matched']:.3f}", "", ""])
    overall = format_table(["colour agreement", "", "95 % interval", "images"], rows, "text")
    colours = detail["colours"]
    by_colour = [
        [colour, f"{detail['per_colour'][colour]:.2f}", *map(str, detail["confusion"][i])]
        for i, colour in enumerate(colours)
        if detail["counts"][colour]
    ]
    return overall + "\n\n" + format_table(["expected \\ predicted", "agrees", *colours], by_colour, "text")


def colour_sheet(images: np.ndarray, expected: list[str], predicted: list[str]) -> np.ndarray:
    """The first images of each expected colour, a row each, with the predicted colour beneath: (H, W, 3) uint8."""
    from ffgan_tf.utils.grid import grid

    rows, notes = [], []
    for colour in sorted(set(expected)):
        chosen = [i for i, name in enumerate(expected) if name == colour][:PER_COLOUR]
        blank = [np.full_like(images[0], 255)] * (PER_COLOUR - len(chosen))
        rows += [*images[chosen], *blank]
        notes += [f"{colour}: {'agrees' if predicted[i] == colour else predicted[i]}" for i in chosen] + [""] * len(
            blank
        )
    return grid(np.stack(rows), notes, PER_COLOUR)


def main(argv: list[str]) -> int:
    """Loads the run, generates images, measures, reports."""
    args = flags.FLAGS
    del argv
    source = find(args.run)
    data, sheet = source.data(args.data), Path(args.sheet or source.samples / "colours.png")
    check_writable(source.home / "metrics.jsonl")  # before the work, not after
    check_writable(sheet, "--sheet")
    from ffgan_tf.data import records
    from ffgan_tf.data.captions import Vocabulary
    from ffgan_tf.evaluation.colour_agreement import evaluate_colours
    from ffgan_tf.evaluation.report import append_json_line
    from ffgan_tf.run.sampler import load_run
    from ffgan_tf.run.vocabulary import check_same_vocabulary
    from ffgan_tf.utils.grid import png

    run = load_run(source.path, step=args.step, batch=args.batch)
    records.read_manifest(data)
    check_same_vocabulary(
        Vocabulary.load(Path(data) / records.VOCABULARY),
        f"--data={data}",
        run.vocabulary,
        f"the run in {run.path}",
        "name the data set that the run was trained on.",
    )

    def generate(captions, tokens, ids, seed):
        return run.sampler(tokens, seed, list(ids))

    result = evaluate_colours(
        generate,
        data,
        args.labels,
        run.config.model.image_size,
        args.num_samples,
        args.seed,
        source.home / "colour_probe.npz",
    )
    report = {**result.report, "run": str(run.path), "step": run.step, "data": str(data), "labels": args.labels}
    append_json_line(source.home / "metrics.jsonl", report)
    write_atomic(sheet, png(colour_sheet(result.images, result.expected, result.predicted)))
    print(tables(report))
    print(f"\nstep {run.step:,}; images by colour in {sheet}; one line in {source.home / 'metrics.jsonl'}")
    return 0


def cli() -> None:
    """The command ffgan-colour-agreement."""
    run_command(main, define_flags, required=["run", "labels"])


if __name__ == "__main__":
    cli()
