"""The tokenizer in the graph against the one in Python: every letter there is, and texts made to differ."""

import sys
import unicodedata

import numpy as np
import pytest

from ffgan_tf.data.captions import MAX_WORDS, Vocabulary, tokenize
from ffgan_tf.exporting.graph_tokenizer import GraphReader, split_words
from ffgan_tf.run.reading import read_sentence
from ffgan_tf.utils.errors import UserError

WORDS = ["<end>", "a", "bird", "blue", "red", "x_1", "k", "i", "caf"]


def in_graph(sentences):
    return [[word.decode() for word in row] for row in split_words(sentences).to_list()]


def test_every_assigned_character():
    """Inside a word, alone, and between words. Unassigned ones are left out: the two tables may differ in age."""
    characters = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) not in ("Cn", "Co")
    ]
    assert len(characters) > 140_000
    sentences = [f"aB{character}Cd {character} {character}z" for character in characters]
    wrong = [
        (f"U+{ord(character):04X}", found, tokenize(sentence))
        for character, sentence, found in zip(characters, sentences, in_graph(sentences))
        if found != tokenize(sentence)
    ]
    assert not wrong[:20]


PARTS = [
    *("\ufffd", "\ufffd\ufffd", "\0", "\u0130", "\u212a", "\u0307", "\u2028", "\u00bd", "\u0663", "\u00df", "\u01c5"),
    *("é", "鳥", "ﬁ", "\U0001f426", "_", "-", "'", "\n", "\t", " ", "A", "bIrD", "9", "<end>", "\\w", "[", "."),
]


def test_texts_made_to_differ():
    rng = np.random.default_rng(0)
    sentences = ["".join(rng.choice(PARTS, rng.integers(0, 12))) for _ in range(3000)] + ["", " ", "\0", "é é"]
    for sentence, found in zip(sentences, in_graph(sentences)):
        assert found == tokenize(sentence), repr(sentence)


def test_bytes_that_are_no_utf8_are_read_without_an_error():
    assert split_words([b"a \xff bird \xc3", b"\xed\xa0\x80"]).to_list()[0][0] == b"a"


def test_sentences_are_read_as_the_sampler_reads_them():
    vocabulary = Vocabulary(WORDS)
    sentences = [
        "A red Zebra, a BIRD!",
        "zebra",
        "",
        "Caf\u00e9 \u212a \u0130",
        "x_1 x-1",
        "red " * 30 + "blue",
        "<end> a",
    ]
    ids, lengths, words = (value.numpy() for value in GraphReader(vocabulary)(sentences))
    assert ids.shape == words.shape == (len(sentences), MAX_WORDS) and ids.dtype == lengths.dtype == np.int32
    for i, sentence in enumerate(sentences):
        try:
            reading = read_sentence(sentence, vocabulary)
        except UserError:
            assert lengths[i] == 0
            continue
        assert lengths[i] == len(reading.ids) and tuple(ids[i, : lengths[i]]) == reading.ids
        assert tuple(word.decode() for word in words[i, : lengths[i]]) == reading.words
        assert not ids[i, lengths[i] :].any() and not any(words[i, lengths[i] :])
    assert (lengths == 0).sum() == 2


@pytest.mark.parametrize("count", [0, 1])
def test_no_sentence_and_one(count):
    ids, lengths, words = GraphReader(Vocabulary(WORDS))(np.array(["bird"] * count, object).astype("S"))
    assert ids.shape == (count, MAX_WORDS) and lengths.shape == (count,) and words.shape == (count, MAX_WORDS)
