"""Images of your own sentences:   python -m ffgan_tf.sample --run=runs/birds --text="a small yellow bird"

Several: --text again, or --text_file with a sentence a line. Writes single PNGs and grid.png with the sentences beneath
into --out (default RUN/samples/own). Same run, sentence, seed: same image. Words that the run's vocabulary does not
have are named in a warning and left out; a sentence without any known word is an error.
"""

import re
import sys
from pathlib import Path

import numpy as np
from absl import flags

from ffgan_tf.config.commands import run_command
from ffgan_tf.utils.errors import UserError


def define_flags() -> None:
    """The command's flags: not at import, because several commands share names."""
    flags.DEFINE_string("run", "", "Folder of a trained run.")
    flags.DEFINE_multi_string("text", [], "A sentence; give the flag again for more.")
    flags.DEFINE_string("text_file", "", "A UTF-8 file with a sentence a line.")
    flags.DEFINE_integer("count", 4, "Images of each sentence.", lower_bound=1)
    flags.DEFINE_integer("seed", 1, "Seed of the noise.", lower_bound=0)
    flags.DEFINE_string("out", "", "Folder for the images; default RUN/samples/own.")
    flags.DEFINE_boolean("ema", True, "Use the generator's moving average (EMA); --noema its last weights.")
    flags.DEFINE_integer("step", None, "Checkpoint to use; default the newest, -1 the best.")
    flags.DEFINE_float(
        "truncation", 0.0, "Draw the noise from the normal distribution cut off at this; 0: not cut.", lower_bound=0.0
    )


def read_sentences(texts: list[str], text_file: str) -> list[str]:
    """The sentences of both flags, in order. Raises UserError: none, an empty one, a file that cannot be read."""
    sentences = list(texts)
    if text_file:
        try:
            lines = Path(text_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--text_file={text_file}: cannot be read as UTF-8 text ({error}).") from None
        sentences += [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise UserError('no sentence given. Fix: --text="a small yellow bird", or --text_file=FILE with one a line.')
    return sentences


def encode_all(sentences: list[str], vocabulary) -> list[list[int]]:
    """Token ids of each sentence; unknown words go to stderr. Raises UserError for one without any known word."""
    encoded = []
    for sentence in sentences:
        ids, unknown = vocabulary.encode(sentence)
        if not ids:
            raise UserError(
                f"none of the words of {sentence!r} is in the run's vocabulary ({len(vocabulary):,} words). "
                "Fix: use words of the captions it was trained on (RUN/vocabulary.json lists them)."
            )
        if unknown:
            print(f"warning: not in the vocabulary, left out of {sentence!r}: {', '.join(unknown)}", file=sys.stderr)
        encoded.append(ids)
    return encoded


def file_name(number: int, sentence: str, copy: int) -> str:
    """`03-a-small-yellow-bird-1.png`."""
    slug = re.sub(r"[^a-z0-9]+", "-", sentence.lower()).strip("-")[:60]
    return f"{number:02d}-{slug}-{copy}.png"


def main(argv: list[str]) -> int:
    """Loads the run, draws, writes."""
    values = flags.FLAGS
    del argv
    sentences = read_sentences(values.text, values.text_file)
    from ffgan_tf.run.sampler import load_run
    from ffgan_tf.utils import grid
    from ffgan_tf.utils.files import write_atomic

    run = load_run(values.run, step=values.step, ema=values.ema, batch=min(32, len(sentences) * values.count))
    tokens = [ids for ids in encode_all(sentences, run.vocabulary) for _ in range(values.count)]
    # The n-th image of every sentence has the same noise, so that sentences can be compared along a column.
    numbers = np.tile(np.arange(values.count), len(sentences))
    images = run.sampler(tokens, values.seed, numbers, values.truncation)
    out = Path(values.out or Path(values.run) / "samples" / "own")
    for i, image in enumerate(images):
        sentence, copy = divmod(i, values.count)
        write_atomic(out / file_name(sentence + 1, sentences[sentence], copy + 1), grid.png(image))
    captions = [sentences[i // values.count] for i in range(len(images))]
    columns = values.count if values.count > 1 else None
    write_atomic(out / "grid.png", grid.png(grid.grid(images, captions, columns)))
    print(
        f"{len(images)} images of step {run.step:,}{' (EMA)' if values.ema else ''} in {out}; all in {out / 'grid.png'}"
    )
    return 0


def cli() -> None:
    """The command ffgan-sample."""
    run_command(main, define_flags, required=["run"], wanted='A sentence goes into --text="…".')


if __name__ == "__main__":
    cli()
