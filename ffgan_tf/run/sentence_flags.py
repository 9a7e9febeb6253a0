"""--text and --text_file: the sentences of a command, and their words unknown to a run. Needs no TensorFlow."""

import sys
from typing import NamedTuple

from absl import flags

from ffgan_tf.config.flags import any_bytes
from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.run.reading import read_sentence
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import read_bytes


class Line(NamedTuple):
    """A sentence and its origin (for messages)."""

    sentence: str
    where: str


def define_sentence_flags() -> None:
    """Defines the two flags, in a function because several commands share them."""
    flags.DEFINE_multi_string("text", [], "A sentence; repeat the flag for more.")
    flags.DEFINE_string("text_file", "", "A UTF-8 file with one sentence per line.")
    any_bytes("text_file")


def read_lines(texts: list[str], text_file: str) -> list[Line]:
    """The sentences of both flags, in order. Raises UserError for no sentence and for an unreadable file."""
    lines = [Line(text, "--text") for text in texts]
    if text_file:
        content = read_bytes(text_file, flag="--text_file")  # a device or pipe would never end
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            number = content.count(b"\n", 0, error.start) + 1
            raise UserError(
                f"--text_file={text_file}, line {number}: not UTF-8 text ({error}). Fix: save the file as UTF-8."
            ) from None
        numbered = enumerate(text.split("\n"), 1)  # not splitlines(): it also splits at U+0085 and the like
        lines += [Line(line.strip(), f"--text_file={text_file}, line {n}") for n, line in numbered if line.strip()]
    if not lines:
        raise UserError('no sentence given. Fix: --text="a small yellow bird", or --text_file=FILE with one per line.')
    return lines


def check_words(lines: list[Line], vocabulary: Vocabulary) -> None:
    """Names unknown words on stderr. Raises a UserError with the origin of a sentence that has no known word."""
    for line in lines:
        reading = read_sentence(line.sentence, vocabulary, line.where)
        if reading.warning:
            print(f"warning: {reading.warning}", file=sys.stderr)
