"""Captions: the tokenizer, the vocabulary and the caption files (docs/model.md section 1, after AttnGAN)."""

import codecs
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ffgan_tf.data.problems import Unusable
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import write_json
from ffgan_tf.utils.reading import read_bytes, read_json, user_path

END = "<end>"  # index 0: the end of a caption, and hence its padding
CAPTIONS_PER_IMAGE = 10
MAX_WORDS = 25  # AttnGAN's limit on a sentence in sampling and scoring: a longer one keeps its first 25 known words
MAX_CAPTION_BYTES = 16 << 20
_WORD = re.compile(r"\w+")
_KEY = re.compile(r"[\w.@-]{1,40}\s*=\s*\S|[a-z]{2,3}([_-]\w{2,8})?\s*[:\t]")
_KEY_NOTE = "caption lines like `key=value` or `en: \u2026`: a translation or a setting, read as a caption?"


def tokenize(caption: str) -> list[str]:
    """Lower-case `\\w+` words without non-ASCII characters; U+FFFD pairs become a space (docs/model.md section 1)."""
    words = _WORD.findall(caption.replace("\ufffd\ufffd", " ").lower())
    stripped = (word.encode("ascii", "ignore").decode("ascii") for word in words)
    return [word for word in stripped if word]


def read_captions(
    path: str | Path, least: int = CAPTIONS_PER_IMAGE, most: int = CAPTIONS_PER_IMAGE
) -> tuple[list[str], list[str]]:
    """Reads the first `most` usable captions of a file, one a line, and notes on each change and omission.

    A note is repeated for each line or word that it applies to. A caption is usable if `tokenize` leaves it a word.
    Only lines that are not valid UTF-8 are read as Latin-1. Raises Unusable: missing or unreadable file, not
    text, fewer than `least` usable captions.
    """
    try:
        if not os.path.lexists(path):
            raise Unusable("the caption file is missing", "add the caption file, or leave the image out")
        content = read_bytes(path, MAX_CAPTION_BYTES)
    except UserError as error:
        reason = str(error).removeprefix(f"{user_path(path)}: ").partition(" Fix:")[0].rstrip(".")
        raise Unusable(f"the caption file cannot be used: {reason}", "make the caption file readable") from None
    if b"\0" in content:
        raise Unusable("not a text file (it has zero bytes; UTF-16?)", "save the captions as UTF-8 text")
    notes, usable = [], []
    for line in re.split(
        rb"\r\n|\r|\n", content.removeprefix(codecs.BOM_UTF8)
    ):  # splitlines() would also split at U+0085 and U+2028
        text, latin = _decoded(line.strip())
        if not text:
            continue
        if not tokenize(text):
            notes.append("captions without a word, skipped")
            continue
        if latin:
            notes.append("caption lines not UTF-8, read as Latin-1")
        usable.append(text)
    for text in usable[:most]:
        notes += _doubts(text)
    if len(usable) > most:
        notes += [f"caption lines beyond the first {most} of an image, left out"] * (len(usable) - most)
        for text in usable[most:]:
            notes += [note for note in _doubts(text) if note == _KEY_NOTE]
    if len(usable) < least:
        raise Unusable(
            f"{len(usable)} usable captions, {least} needed",
            f"give the image at least {least} caption{'s' * (least > 1)}, one a line, each with a word in "
            "ASCII letters",
        )
    return usable[:most], notes


def _decoded(line: bytes) -> tuple[str, bool]:
    """A line's text, and whether it had to be read as Latin-1 because it is not UTF-8."""
    try:
        return line.decode("utf-8").strip(), False
    except UnicodeDecodeError:
        return line.decode("latin-1").strip(), True


def _doubts(text: str) -> list[str]:
    """Notes on a line that may not be a caption, and on words that lose letters in the vocabulary."""
    words = _WORD.findall(text.replace("\ufffd\ufffd", " "))
    cut = [word for word in words if not word.isascii()]
    notes = [_KEY_NOTE] if _KEY.match(text) else []
    notes += ["words without an ASCII letter, dropped" for word in cut if not tokenize(word)]
    notes += ["words that lose their other letters (caf\u00e9 becomes caf)" for word in cut if tokenize(word)]
    if len(cut) > len(words) / 2:
        notes.append("captions mostly not in ASCII letters: another language?")
    return notes


class Vocabulary:
    """Words and their ids: `words[id]`, id 0 is `<end>`.

    `source` is its origin: `converter` (all words of the data set), or the file that it was imported from.
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
        write_json(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as JSON values: the content of vocabulary.json."""
        return {"format": 1, "source": self.source, "hash": self.hash, "words": self.words}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Vocabulary":
        """The vocabulary in what `to_json` made. Raises ValueError, TypeError or KeyError where it is none, or its
        hash is not its words'."""
        vocabulary = cls(content["words"], content["source"])
        if not all(isinstance(word, str) for word in (*vocabulary.words, vocabulary.source)):
            raise TypeError("a word that is no text")
        if content.get("hash") != vocabulary.hash:
            raise ValueError("its words do not match its hash; the file was changed")
        return vocabulary

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads a file of `save`. Raises UserError: missing, damaged, or a hash that does not match the words."""
        fix = "Fix: convert the data again (ffgan_tf.convert_*), or copy the file from where it was made."
        if not os.path.lexists(path):
            raise UserError(f"{path}: the vocabulary is missing. {fix}")
        content = read_json(path, fix=fix, what="a vocabulary")
        try:
            return cls.from_json(content)
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(f"{path}: not a vocabulary ({error}). {fix}") from None
