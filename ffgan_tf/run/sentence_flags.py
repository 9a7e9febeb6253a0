"""--text and --text_file: the sentences of a command, and what a run cannot read of them. Needs no TensorFlow."""

import sys
from pathlib import Path
from typing import NamedTuple

from absl import flags

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run.reading import read_sentence
from ffgan_tf.utils.errors import UserError


class Line(NamedTuple):
    """A sentence, and where it was given (for messages)."""

    sentence: str
    where: str


def define_sentence_flags() -> None:
    """The two flags: not at import, because several commands share them."""
    flags.DEFINE_multi_string("text", [], "A sentence; give the flag again for more.")
    flags.DEFINE_string("text_file", "", "A UTF-8 file with a sentence a line.")


def read_lines(texts: list[str], text_file: str) -> list[Line]:
    """The sentences of both flags, in order. Raises UserError: none, an empty one, a file that cannot be read."""
    lines = [Line(text, "--text") for text in texts]
    if text_file:
        try:
            content = Path(text_file).read_bytes()
            text = content.decode("utf-8-sig")
        except OSError as error:
            raise UserError(f"--text_file={text_file}: cannot be read ({error}).") from None
        except UnicodeDecodeError as error:
            number = content.count(b"\n", 0, error.start) + 1
            raise UserError(
                f"--text_file={text_file}, line {number}: not UTF-8 text ({error}). Fix: save the file as UTF-8."
            ) from None
        numbered = enumerate(text.split("\n"), 1)  # not splitlines(): it also splits at U+0085 and the like
        lines += [Line(line.strip(), f"--text_file={text_file}, line {n}") for n, line in numbered if line.strip()]
    if not lines:
        raise UserError('no sentence given. Fix: --text="a small yellow bird", or --text_file=FILE with one a line.')
    return lines


def check_words(lines: list[Line], vocabulary: Vocabulary) -> None:
    """Names unknown words on stderr. Raises UserError for a sentence without any known word, with where it stands."""
    for line in lines:
        reading = read_sentence(line.sentence, vocabulary, line.where)
        if reading.warning:
            print(f"warning: {reading.warning}", file=sys.stderr)
