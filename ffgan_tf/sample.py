"""Generates images of your own sentences:   python -m ffgan_tf.sample --run=runs/birds --text="a small yellow bird"

Give --text again for more sentences, or --text_file with a sentence a line. Writes single PNGs, and grid.png with the
sentences below, into --out (default RUN/samples/own). The same run, sentence and seed give the same image, also by
`ffgan_tf.load(RUN).generate` in Python. A warning names words outside the run's vocabulary, which are left out; a
sentence without any known word is an error. Model files (python -m ffgan_tf.export) and the names of models that come
with the package (--run=NAME) serve as well as a run's folder; their images go to samples/NAME.
"""

import re
import warnings
from pathlib import Path

from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.run.reading import UnknownWords
from ffgan_tf.run.sentence_flags import check_words, define_sentence_flags, read_lines
from ffgan_tf.run.source import RUN_HELP, find
from ffgan_tf.run.text_to_image import load
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import check_writable, write_atomic
from ffgan_tf.utils.seeds import LIMIT, parse_seeds


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", RUN_HELP)
    define_sentence_flags()
    flags.DEFINE_integer("count", 4, "Images of each sentence.", lower_bound=1)
    flags.DEFINE_integer("seed", 1, "Seed of the noise.", lower_bound=0, upper_bound=LIMIT - 1)
    flags.DEFINE_string("seeds", "", "One image of each sentence for each of these seeds: 0-29,40. Instead of --count.")
    flags.DEFINE_string("out", "", "Folder for the images; default RUN/samples/own, or samples/NAME.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_float(
        "truncation", 0.0, "Draw the noise from the normal distribution cut off at this; 0: not cut.", lower_bound=0.0
    )


def file_name(number: int, sentence: str, copy: int) -> str:
    """`03-a-small-yellow-bird-1.png`."""
    slug = re.sub(r"[^a-z0-9]+", "-", sentence.lower()).strip("-")[:60]
    return f"{number:02d}-{slug}-{copy}.png"


def check_flags(values: flags.FlagValues) -> list[int] | None:
    """The seeds of --seeds, None without it. Raises UserError for flags that are wrong or contradict each other."""
    if not values.truncation < float("inf"):  # nan, too
        raise UserError(f"--truncation={values.truncation}: not a finite number. Fix: 0, or between 0.5 and 2.")
    if not values.seeds:
        return None
    if values["seed"].present or values["count"].present:
        raise UserError("--seeds gives one image a seed. Fix: leave --seed and --count out, or --seeds.")
    return parse_seeds(values.seeds)


def main(argv: list[str]) -> int:
    """Checks the flags and the words before TensorFlow loads, then draws and writes."""
    del argv
    values = flags.FLAGS
    seeds = check_flags(values)
    lines = read_lines(values.text, values.text_file)
    source = find(values.run)
    check_words(lines, source.vocabulary)
    out = Path(values.out or (source.samples / "own" if source.folder else source.samples))
    check_writable(out, "--out", folder=True)  # before the work, not after
    model = load(source.path, values.step, values.ema)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownWords)  # check_words has named them
        sentences = [line.sentence for line in lines]
        images = model.generate(sentences, values.count, values.seed, values.truncation, seeds=seeds)
    write_images(images, sentences, out)
    ema = " (EMA)" if values.ema else ""
    print(f"{len(images)} images of step {model.step:,}{ema} in {out}; all in {out / 'grid.png'}")
    return 0


def write_images(images, sentences: list[str], out: Path) -> None:
    """Writes images (N·count, S, S, 3) of N sentences as single PNGs and as grid.png, a sentence a row."""
    from ffgan_tf.utils import grid

    count = len(images) // len(sentences)
    for i, image in enumerate(images):
        sentence, copy = divmod(i, count)
        write_atomic(out / file_name(sentence + 1, sentences[sentence], copy + 1), grid.png(image))
    captions = [sentence for sentence in sentences for _ in range(count)]
    write_atomic(out / "grid.png", grid.png(grid.grid(images, captions, count if count > 1 else None)))


def cli() -> None:
    """The command ffgan-sample."""
    run_command(main, define_flags, required=["run"], wanted='A sentence goes into --text="…".')


if __name__ == "__main__":
    cli()
