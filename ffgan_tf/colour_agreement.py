"""Do a run's pictures have the colour that their sentence names?

    python -m ffgan_tf.colour_agreement --run=runs/demo --labels=demo_data/birds/colours.csv

--labels is a CSV with the columns image and colour: the colour that an image's sentences name. A probe (metrics/colour.py)
is fitted on the real training pictures; how often it is right on the real test pictures is printed beside what it finds in
pictures generated from one sentence of each test image, and so is chance. Appends one JSON line to RUN/metrics.jsonl and
writes RUN/samples/colours-step-….png. Exit codes: 0 done, 2 something is yours to mend.
"""

import time
from pathlib import Path

import numpy as np
from absl import app, flags

from ffgan_tf import config as configs
from ffgan_tf.utils.errors import UserError, exit_code_main

flags.DEFINE_string("run", "", "Folder of a trained run.")
flags.DEFINE_string("labels", "", "CSV with the columns image and colour, of training and test images.")
flags.DEFINE_string("data", "", "Folder of the converted data set; default: the run's own.")
flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
flags.DEFINE_integer("seed", 1, "Seed of the noise.", lower_bound=0)

PROBE = "colour_probe.npz"
SHEET = 8  # pictures of each colour on the sheet


def wanted_colours(split, labels: dict[str, str], path: str) -> list[str]:
    """The colour of each image of a split. Raises UserError naming the first image that --labels leaves out."""
    from ffgan_tf.metrics.colour import record_key
    missing = [name for name in split.names if record_key(name) not in labels]
    if missing:
        raise UserError(f"--labels={path}: no colour for {missing[0]} and {len(missing) - 1:,} other images. Mend: the "
                        "labels of the data set that the run was trained on.")
    return [labels[record_key(name)] for name in split.names]


def real_pictures(split, max_size: int, size: int) -> np.ndarray:
    """A split's centre crops (N, S, S, 3) uint8."""
    from ffgan_tf.data.pipeline import centre_images
    return np.concatenate(list(centre_images(split, max_size=max_size, image_size=size, batch=256).as_numpy_iterator()))


def measure(run, data: str, labels_path: str, seed: int) -> tuple[dict, np.ndarray]:
    """The report of a loaded run (`sampling.Run`), and the sheet (H, W, 3) uint8: a row for each wanted colour."""
    from ffgan_tf.data import records
    from ffgan_tf.data.pipeline import load_split
    from ffgan_tf.metrics.colour import ColourProbe, agreement, read_colour_labels
    from ffgan_tf.utils import grid
    from ffgan_tf.utils.files import sha256_file

    began, size = time.monotonic(), run.config.image_size
    labels = read_colour_labels(labels_path)
    max_size = records.read_manifest(data)["image"]["max_size"]
    test = load_split(data, "test")
    wanted = wanted_colours(test, labels, labels_path)

    key = f"{sha256_file(Path(data) / records.MANIFEST)} {sha256_file(labels_path)} {size}"
    probe_file = run.folder / PROBE
    probe = ColourProbe.load(probe_file) if probe_file.is_file() else None
    if probe is None or probe.key != key:
        print("fitting the colour probe on the real training pictures", flush=True)
        train = load_split(data, "train")
        probe = ColourProbe.fit(real_pictures(train, max_size, size), wanted_colours(train, labels, labels_path), key=key)
        probe.save(probe_file)
    real = agreement(probe.predict(real_pictures(test, max_size, size)), wanted, probe.colours)

    which = [i % count for i, count in enumerate(test.captions)]  # one sentence an image, the tenth ones too
    tokens = [test.tokens[i, j, :test.lengths[i, j]].tolist() for i, j in enumerate(which)]
    images = run.sampler(tokens, seed)
    found = agreement(probe.predict(images), wanted, probe.colours)

    sheet = [i for colour in probe.colours for i in [k for k, name in enumerate(wanted) if name == colour][:SHEET]]
    picture = grid.grid(images[sheet], [f"{wanted[i]}: {test.texts[i][which[i]]}" for i in sheet], SHEET)
    report = {"kind": "colour_agreement", "step": run.step, "agreement": found, "real_test_pictures": real,
              "data": str(data), "labels": Path(labels_path).name, "image_size": size, "seed": seed,
              "sentences": "one of each test image, the (i mod count)-th", "duration_s": round(time.monotonic() - began, 1)}
    return report, picture


def table(report: dict) -> str:
    """What is printed: agreement beside chance and the probe's own accuracy, then colour by colour."""
    made, real = report["agreement"], report["real_test_pictures"]
    low, high = made["interval"]
    lines = [f"generated pictures  {made['accuracy']:.3f}  ({low:.3f} to {high:.3f} at 95 %, {made['count']:,} sentences)",
             f"real test pictures  {real['accuracy']:.3f}  (what the probe itself gets right)",
             f"chance              {made['chance']:.3f}  (one of {len(made['colours'])}; {made['chance_matched']:.3f} by the "
             f"colours' own shares)", "", "colour     generated   real  sentences"]
    lines += [f"{colour:10} {made['per_colour'][colour]:9.3f}  {real['per_colour'][colour]:5.3f}  {made['counts'][colour]:9,}"
              for colour in made["per_colour"]]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Checks the flags before TensorFlow is loaded; measures; reports."""
    given = flags.FLAGS
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. See python -m ffgan_tf.colour_agreement --help")
    if not given.run or not given.labels:
        raise UserError("--run=DIR and --labels=FILE.csv are both needed; see --help.")
    from ffgan_tf.metrics.report import append_json_line
    from ffgan_tf.sampling import load_run
    from ffgan_tf.utils import grid
    from ffgan_tf.utils.files import write_atomic
    run = load_run(given.run, step=given.step, ema=given.ema)
    report, picture = measure(run, given.data or run.config.data, given.labels, given.seed)
    report["weights"] = "ema" if given.ema else "last"
    append_json_line(run.folder / "metrics.jsonl", report)
    sheet = run.folder / "samples" / f"colours-step-{run.step:08d}.png"
    write_atomic(sheet, grid.png(picture))
    print(f"{table(report)}\n\nstep {run.step:,}; appended to {run.folder / 'metrics.jsonl'}; pictures by colour: {sheet}")
    return 0


if __name__ == "__main__":
    app.run(exit_code_main(main), flags_parser=configs.parse_flags)
