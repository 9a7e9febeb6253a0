"""python tools/compare_runs.py --run=runs/a --run=runs/b [--format=md] [--out=FILE] [--figure=FILE.svg]

Runs in one table: step, images seen, parameters, and the scores that `python -m ffgan_tf.evaluate` and
tools/score_run.py have stored in them, protocol by protocol; then the paper's Table 2 with the same figures and the
reasons why they do not compare. The figure has a panel for each score, of the protocol that most of the runs have.
"""

import os
import sys
from pathlib import Path

from absl import app, flags

from ffgan_tf.config.flags import parse_flags
from ffgan_tf.utils.errors import UserError, exit_code_main, report_write_errors
from ffgan_tf.utils.files import check_writable, write_atomic


def define_flags() -> None:
    """The command's flags."""
    flags.DEFINE_multi_string("run", [], "Folder of a run; again for more.")
    flags.DEFINE_enum("format", "md", ("md", "latex", "text"), "Form of the tables.")
    flags.DEFINE_enum("pick", "newest", ("newest", "best"), "Of a run's steps: the newest, or the lowest FID's.")
    flags.DEFINE_string("out", "", "File for the tables; default: the terminal.")
    flags.DEFINE_string("figure", "", "File for the figure (SVG).")


def main(argv: list[str]) -> int:
    """Reads the runs; prints or writes the tables; writes the figure."""
    given = flags.FLAGS
    if len(argv) > 1:
        raise UserError(f"{argv[1]!r} is no flag. Fix: --run={argv[1]}")
    if not given.run:
        raise UserError("--run is missing. Fix: --run=DIR, the folder of a run; again for more.")
    from ffgan_tf.reporting import comparison
    from ffgan_tf.reporting.runs import read_runs

    runs = read_runs(given.run)
    for path, flag in ((given.out, "--out"), (given.figure, "--figure")):
        if path:
            check_writable(path, flag)
    for run in runs:
        for line in run.missing:
            print(f"note: {run.name}: {line}", file=sys.stderr)
    text = comparison.comparison_text(runs, given.format, given.pick)
    if given.out:
        with report_write_errors(given.out):
            write_atomic(given.out, text)
    else:
        print(text, end="", flush=True)
    if given.figure:
        with report_write_errors(given.figure):
            write_atomic(Path(given.figure), comparison.figure(comparison.entries(runs, given.pick)))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    define_flags()
    app.run(exit_code_main(main), flags_parser=parse_flags)
