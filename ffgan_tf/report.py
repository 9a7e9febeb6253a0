"""One HTML file about runs:   python -m ffgan_tf.report --run=runs/birds

It shows losses, D's outputs and scores as curves, the samples over the steps with a slider, test captions beside their
photographs, attention, the scores beside the paper's Table 2 with the reasons why they do not compare, settings, data
set, times. The file needs no other and asks nothing of the network.

  --run=A --run=B        several side by side: curves overlaid, settings that differ marked, same sentences and noise
  --captions=0           without images by the checkpoints: seconds, and TensorFlow is not loaded
  --csv=FILE --log_csv=FILE    the evaluations (metrics.jsonl) and the training figures (log.jsonl) as CSV, too

What a run lacks, or what is damaged in it, the report names. docs/report.md shows one.
"""

from pathlib import Path

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import check_writable, write_atomic
from ffgan_tf.utils.seeds import parse_seeds


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_multi_string("run", [], "Folder of a run; again for more.")
    flags.DEFINE_string("out", "", "The HTML file; default RUN/report.html of one run, report.html here of several.")
    flags.DEFINE_integer("captions", 8, "Test captions to draw by the newest checkpoints; 0: none.", 0, 64)
    flags.DEFINE_string("seeds", "1,2", "Seeds of their noise: 7, 1-3, or 1,4.")
    flags.DEFINE_integer("attention", 2, "Of these captions, how many to show the attention for.", 0, 8)
    flags.DEFINE_string("data", "", "Converted data set; default the runs' own.")
    flags.DEFINE_string("csv", "", "File for the evaluations as CSV.")
    flags.DEFINE_string("log_csv", "", "File for the training figures as CSV.")


def main(argv: list[str]) -> int:
    """Reads the runs, draws, writes the page."""
    del argv
    given = flags.FLAGS
    folders = [folder for folder in given.run if folder]
    if not folders:
        raise UserError("--run is missing. Fix: --run=DIR, the folder of a run; again for more.")
    seeds = parse_seeds(given.seeds)
    if len(seeds) > 8:
        raise UserError(f"--seeds={given.seeds}: {len(seeds)} seeds. Fix: at most 8.")
    from ffgan_tf.reporting.runs import read_runs

    runs = read_runs(folders, given.data)  # a wrong --run is told before a wrong --out
    out = Path(given.out) if given.out else Path(folders[0] if len(folders) == 1 else ".") / "report.html"
    for path, flag in ((out, "--out"), (given.csv, "--csv"), (given.log_csv, "--log_csv")):
        if path:
            check_writable(path, flag)
    from ffgan_tf.reporting import page, tables

    text = page.build(runs, given.captions, seeds, given.attention, given.data)
    files = [(out, text)]
    if given.csv:
        files.append((Path(given.csv), tables.metrics_csv(runs)))
    if given.log_csv:
        files.append((Path(given.log_csv), tables.log_csv(runs)))
    for path, content in files:
        with report_write_errors(path):
            write_atomic(path, content)
        print(f"{path} ({path.stat().st_size / 1e6:.2f} MB)", flush=True)
    if len(text) > page.LARGE:
        print("note: a large page. Fewer --captions, --seeds or --attention make it smaller.", flush=True)
    return 0


def cli() -> None:
    """The command ffgan-report."""
    run_command(main, define_flags)


if __name__ == "__main__":
    cli()
