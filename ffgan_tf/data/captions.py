"""Captions: the tokenizer, the vocabulary and the caption files (docs/model.md section 1, after AttnGAN)."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ffgan_tf.data.problems import Unusable
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_json

END = "<end>"  # index 0: the end of a caption, and hence its padding
CAPTIONS_PER_IMAGE = 10
MAX_WORDS = 25  # of a sentence when sampling and scoring: a longer one keeps its first 25 known words (AttnGAN's limit)
_WORD = re.compile(r"\w+")


def tokenize(caption: str) -> list[str]:
    """Lower-case `\\w+` words without non-ASCII characters; U+FFFD pairs become a space (docs/model.md section 1)."""
    words = _WORD.findall(caption.replace("\ufffd\ufffd", " ").lower())
    stripped = (word.encode("ascii", "ignore").decode("ascii") for word in words)
    return [word for word in stripped if word]


def read_captions(
    path: str | Path, least: int = CAPTIONS_PER_IMAGE, most: int = CAPTIONS_PER_IMAGE
) -> tuple[list[str], list[str]]:
    """The first `most` usable captions of a file, one a line, and notes on what was normalised.

    Usable = has a word after `tokenize`. Bytes that are not UTF-8 are read as Latin-1: the vocabulary drops non-ASCII
    characters anyway, so that only the raw text depends on the guess. Raises Unusable: missing or unreadable file, not
    text, fewer than `least` usable captions.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise Unusable("the caption file is missing", "add the caption file, or leave the image out") from None
    except OSError as error:
        raise Unusable(f"the caption file cannot be read: {error.strerror}", "make the caption file readable") from None
    if b"\0" in content:
        raise Unusable("not a text file (it has zero bytes; UTF-16?)", "save the captions as UTF-8 text")
    notes = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes.append("captions not UTF-8, read as Latin-1")
    lines = [line.strip() for line in text.split("\n")]  # not splitlines(): it also splits at U+0085 and the like
    usable = [line for line in lines if tokenize(line)]
    if any(line and not tokenize(line) for line in lines):
        notes.append("captions without a word, skipped")
    if len(usable) < least:
        raise Unusable(
            f"{len(usable)} usable captions, {least} needed",
            f"give the image at least {least} caption{'s' * (least > 1)}, one a line, each with a word in "
            "ASCII letters",
        )
    return usable[:most], notes


class Vocabulary:
    """Words and their ids: `words[id]`, id 0 is `<end>`.

    `source` says where it came from: `converter` (all words of the data set), or the file it was imported from.
    """

    def __init__(self, words: Sequence[str], source: str = "converter"):
        """`words`: in order of their ids. Raises ValueError unless they are distinct and begin with `<end>`."""
        if not words or words[0] != END:
            raise ValueError(f"word 0 must be {END}")
        if len(set(words)) != len(words):
            raise ValueError("a word is listed twice")
        self.words, self.source = list(words), source
        self._ids = {word: index for index, word in enumerate(self.words)}

    @classmethod
    def from_captions(cls, captions: Iterable[str]) -> "Vocabulary":
        """All words of `captions`, sorted, so that the ids do not depend on the order of the captions."""
        return cls([END, *sorted({word for caption in captions for word in tokenize(caption)})])

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hash(self) -> str:
        """Hex SHA-256 of the words in order, one a line: equal exactly where the ids mean the same words."""
        return hashlib.sha256("".join(f"{word}\n" for word in self.words).encode("utf-8")).hexdigest()

    def encode(self, caption: str) -> tuple[list[int], list[str]]:
        """A caption's token ids, and its words outside the vocabulary (left out of the ids)."""
        words = tokenize(caption)
        return [self._ids[word] for word in words if word in self._ids], [w for w in words if w not in self._ids]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of `ids` with spaces between, without the padding."""
        return " ".join(self.words[index] for index in ids if index)

    def save(self, path: str | Path) -> None:
        """Writes the vocabulary as JSON, atomically."""
        write_json(path, {"format": 1, "source": self.source, "hash": self.hash, "words": self.words})

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote. Raises UserError: missing, damaged, or its hash is not its words'."""
        fix = "Fix: convert the data again (tools/convert_*.py), or copy the file from where it was made."
        try:
            content = json.loads(Path(path).read_bytes())
            vocabulary = cls(content["words"], content["source"])
        except FileNotFoundError:
            raise UserError(f"{path}: the vocabulary is missing. {fix}") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: not a vocabulary ({error}). {fix}") from None
        if content.get("hash") != vocabulary.hash:
            raise UserError(f"{path}: its words do not match its hash; the file was changed. {fix}")
        return vocabulary
