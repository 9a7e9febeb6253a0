"""How a run reads a sentence: words in its vocabulary, and words left out. Needs no TensorFlow."""

from typing import NamedTuple

from ffgan_tf.data.captions import MAX_WORDS, Vocabulary, tokenize
from ffgan_tf.utils.errors import UserError


class UnknownWords(UserWarning):
    """The warning for a sentence with words outside the run's vocabulary: they are ignored, the others are used."""


class Reading(NamedTuple):
    """A sentence as a run reads it: lower case, without punctuation, the known words alone, at most 25 of them.

    `sentence` unchanged; `words`, the words that the image depends on, in order; `left_out`, words outside the
    vocabulary; `cut`, known words beyond the 25th; `ids`, the token ids of `words`.
    """

    sentence: str
    words: tuple[str, ...]
    left_out: tuple[str, ...]
    cut: tuple[str, ...]
    ids: tuple[int, ...]

    @property
    def warning(self) -> str | None:
        """A message for the user; None where every word is known."""
        if not self.left_out:
            return None
        return f"not in the vocabulary, left out of {self.sentence!r}: {', '.join(self.left_out)}"


def read_sentence(sentence: str, vocabulary: Vocabulary, where: str = "") -> Reading:
    """Reads one sentence. `where` (a file and line) prefixes an error.

    Raises UserError where none of its words is in the vocabulary; TypeError for anything but a string.
    """
    if not isinstance(sentence, str):
        raise TypeError(f"a sentence is a str, not {type(sentence).__name__}")
    ids, unknown = vocabulary.encode(sentence)
    if not ids:
        raise UserError(
            f"{where + ': ' if where else ''}none of the words of {sentence!r} is in the run's vocabulary "
            f"({len(vocabulary):,} words). Fix: use words of the captions it was trained on (vocabulary.json in the "
            "run's folder lists them)."
        )
    missing = set(unknown)
    known = tuple(word for word in tokenize(sentence) if word not in missing)
    return Reading(sentence, known[:MAX_WORDS], tuple(unknown), known[MAX_WORDS:], tuple(ids[:MAX_WORDS]))
