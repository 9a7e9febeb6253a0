"""The sentences of a sheet: captions of the data set, swapped words, the stops of an interpolation. No TensorFlow."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ffgan_tf.data.captions import Vocabulary, tokenize
from ffgan_tf.utils.errors import UserError

SPLITS = ("test", "train")


class Caption(NamedTuple):
    """A caption of the data set and the photograph that it describes."""

    text: str
    image: str  # '<class>/<image>', as the records name it
    position: int  # of the image in its split


def parse_captions(text: str, flag: str = "captions") -> tuple[str, int]:
    """`test:16` → ("test", 16). Raises UserError, which names the flag."""
    match = re.fullmatch(r"(test|train):(\d{1,6})", text, re.ASCII)
    if not match or not int(match[2]):
        raise UserError(f"--{flag}={text}: not a split and a number. Fix: --{flag}=test:16, or train:8")
    return match[1], int(match[2])


def choose_captions(names: Sequence[str], texts: Sequence[Sequence[str]], count: int) -> list[Caption]:
    """The first captions of `count` images, spread evenly over a split of N images, in order; at most N.

    The choice is the same at every call, and that of a training's sample grid if `count` is its --grid_captions.
    """
    indices = np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)
    return [Caption(texts[index][0], names[index], int(index)) for index in indices]


def parse_swap(text: str) -> tuple[str, list[str]]:
    """`red=blue,dark green` → ("red", ["blue", "dark green"]). Raises UserError, which names --swap."""
    word, equals, others = text.partition("=")
    word, replacements = word.strip(), [other.strip() for other in others.split(",")]
    if not equals or not tokenize(word) or not all(tokenize(other) for other in replacements):
        raise UserError(f"--swap={text}: not words. Fix: --swap=red=blue,yellow puts blue, then yellow, for red")
    return word, replacements


def check_swap(vocabulary: Vocabulary, word: str, replacements: Sequence[str]) -> None:
    """Raises UserError if a replacement has a word outside the vocabulary, which the model would ignore."""
    for other in replacements:
        if unknown := vocabulary.encode(other)[1]:
            raise UserError(
                f"--swap={word}={other}: {', '.join(unknown)} is not in the run's vocabulary. Fix: a word of the run's "
                "vocabulary.json."
            )


def swapped(sentence: str, word: str, replacement: str) -> str:
    """The sentence with every `word` (one or several words, in any case) replaced. Raises UserError if there is
    none."""
    changed, count = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _: replacement, sentence, flags=re.IGNORECASE)
    if not count:
        raise UserError(f"--swap={word}=…: the sentence {sentence!r} has no {word!r}. Fix: a word of the sentence.")
    return changed


class Stop(NamedTuple):
    """A point that an interpolation passes: a sentence and the seed of a noise."""

    sentence: str
    seed: int


def stops_of(sentences: Sequence[str], seeds: Sequence[int]) -> list[Stop]:
    """Pairs sentences with seeds as two or more stops. Equal counts, or one of either; raises UserError otherwise."""
    count = max(len(sentences), len(seeds))
    if count < 2 or len(sentences) not in (1, count) or len(seeds) not in (1, count):
        raise UserError(
            f"interpolation of {len(sentences)} sentences and {len(seeds)} seeds: they do not pair. Fix: two or more "
            "--text with one seed, one --text with --seeds=1,2, or as many of both."
        )
    return [Stop(sentences[i % len(sentences)], seeds[i % len(seeds)]) for i in range(count)]
