"""Which sentences to show: captions of the data set, words swapped, the stops of a way. Needs no TensorFlow."""

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
    """`test:16` → ("test", 16). Raises UserError naming the flag."""
    match = re.fullmatch(r"(test|train):(\d{1,6})", text, re.ASCII)
    if not match or not int(match[2]):
        raise UserError(f"--{flag}={text}: not a split and a number. Fix: --{flag}=test:16, or train:8")
    return match[1], int(match[2])


def choose_captions(names: Sequence[str], texts: Sequence[Sequence[str]], count: int) -> list[Caption]:
    """`count` captions of a split of N images, spread evenly over it: the first of each chosen image, in order.

    The same at every call, and the images that the sample grid of a training shows where `count` is its
    --grid_captions. As many as there are images at most.
    """
    indices = np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)
    return [Caption(texts[index][0], names[index], int(index)) for index in indices]


def parse_swap(text: str) -> tuple[str, list[str]]:
    """`red=blue,dark green` → ("red", ["blue", "dark green"]). Raises UserError naming --swap."""
    word, equals, others = text.partition("=")
    word, replacements = word.strip(), [other.strip() for other in others.split(",")]
    if not equals or not tokenize(word) or not all(tokenize(other) for other in replacements):
        raise UserError(f"--swap={text}: not words. Fix: --swap=red=blue,yellow puts blue, then yellow, for red")
    return word, replacements


def check_swap(vocabulary: Vocabulary, word: str, replacements: Sequence[str]) -> None:
    """Raises UserError where a replacement has a word that the vocabulary has not: the swap would leave it out."""
    for other in replacements:
        if unknown := vocabulary.encode(other)[1]:
            raise UserError(
                f"--swap={word}={other}: {', '.join(unknown)} is not in the run's vocabulary. Fix: a word of the run's "
                "vocabulary.json."
            )


def swapped(sentence: str, word: str, replacement: str) -> str:
    """The sentence with every `word` (one or several words, in any case) replaced. Raises UserError where it is not
    there."""
    changed, count = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _: replacement, sentence, flags=re.IGNORECASE)
    if not count:
        raise UserError(f"--swap={word}=…: the sentence {sentence!r} has no {word!r}. Fix: a word of the sentence.")
    return changed


class Stop(NamedTuple):
    """A point that an interpolation passes: a sentence and the seed of a noise."""

    sentence: str
    seed: int


def stops_of(sentences: Sequence[str], seeds: Sequence[int]) -> list[Stop]:
    """Sentences and seeds, of one length or one of them single, as a way of two stops or more; UserError otherwise."""
    count = max(len(sentences), len(seeds))
    if count < 2 or len(sentences) not in (1, count) or len(seeds) not in (1, count):
        raise UserError(
            f"interpolation of {len(sentences)} sentences and {len(seeds)} seeds: not a way. Fix: --text twice or more "
            "with one seed, one --text with --seeds=1,2, or as many of one as of the other."
        )
    return [Stop(sentences[i % len(sentences)], seeds[i % len(seeds)]) for i in range(count)]
