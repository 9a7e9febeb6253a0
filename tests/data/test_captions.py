"""The tokenizer and vocabulary against docs/model.md section 1, and caption files as people have them."""

import hashlib
import json
import re
import string

import pytest

from ffgan_tf.data.captions import Vocabulary, read_captions, tokenize
from ffgan_tf.data.problems import Unusable
from ffgan_tf.utils.errors import UserError


@pytest.mark.parametrize(
    "caption, words",
    [
        ("This bird's wings are BLACK-and-white.", ["this", "bird", "s", "wings", "are", "black", "and", "white"]),
        ("a caf\u00e9 na\u00efve bill", ["a", "caf", "nave", "bill"]),  # stripped from the token, which stays one
        ("long\ufffd\ufffdbilled", ["long", "billed"]),
        ("\u6f22\u5b57 2 toes_x", ["2", "toes_x"]),  # a token of nothing but non-ASCII is dropped
        (" ... ", []),
    ],
)
def test_tokenize(caption, words):
    assert tokenize(caption) == words


def test_tokenize_ascii_text_like_a_plain_split():
    text = "The quick, brown fox; jumps over (the) lazy dog! 10 times"
    plain = text.translate(str.maketrans(string.punctuation, " " * len(string.punctuation))).lower().split()
    assert tokenize(text) == plain


def test_vocabulary_ids_encode_and_name_unknown_words():
    vocabulary = Vocabulary.from_captions(["a red bird", "Red: a WING"])
    assert vocabulary.words == ["<end>", "a", "bird", "red", "wing"]
    assert vocabulary.encode("A purple bird, with a red wing") == ([1, 2, 1, 3, 4], ["purple", "with"])
    assert vocabulary.decode([3, 2, 0, 0]) == "red bird"
    assert vocabulary.hash == hashlib.sha256(b"<end>\na\nbird\nred\nwing\n").hexdigest()
    assert vocabulary.hash == Vocabulary.from_captions(["red wing", "a bird"]).hash
    assert vocabulary.hash != Vocabulary.from_captions(["red wing", "a bird b"]).hash


@pytest.mark.parametrize("words", [[], ["a", "<end>"], ["<end>", "a", "a"]])
def test_vocabulary_refuses_other_word_lists(words):
    with pytest.raises(ValueError):
        Vocabulary(words)


def test_vocabulary_round_trip_and_damage(tmp_path):
    path = tmp_path / "vocabulary.json"
    vocabulary = Vocabulary(["<end>", "wing", "a"], "somewhere")
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert (loaded.words, loaded.source, loaded.hash) == (vocabulary.words, "somewhere", vocabulary.hash)
    content = json.loads(path.read_text())
    content["words"][1] = "ring"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"vocabulary\.json.*do not match its hash"):
        Vocabulary.load(path)
    path.write_text("{")
    with pytest.raises(UserError, match=r"vocabulary\.json.*not a vocabulary"):
        Vocabulary.load(path)
    with pytest.raises(UserError, match=r"none\.json.*missing"):
        Vocabulary.load(tmp_path / "none.json")


def test_first_ten_usable_captions(tmp_path):
    path = tmp_path / "a.txt"
    lines = ["", "...", *(f"caption {i}" for i in range(6)), "   ", "\u6f22", *(f"caption {i}" for i in range(6, 12))]
    path.write_bytes("\r\n".join(lines).encode("utf-8"))
    captions, notes = read_captions(path)
    assert captions == [f"caption {i}" for i in range(10)]
    assert (
        notes
        == ["captions without a word, skipped"] * 2 + ["caption lines beyond the first 10 of an image, left out"] * 2
    )


def test_captions_that_are_not_utf8_are_read_as_latin1(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("a na\u00efve bird".encode("latin-1"))
    captions, notes = read_captions(path, least=1)
    assert captions == ["a na\u00efve bird"] and tokenize(captions[0]) == ["a", "nave", "bird"]
    assert notes == [
        "caption lines not UTF-8, read as Latin-1",
        "words that lose their other letters (caf\u00e9 becomes caf)",
    ]


def test_byte_order_mark_is_not_a_word(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffa bird".encode("utf-8"))
    assert read_captions(path, least=1) == (["a bird"], [])


@pytest.mark.parametrize(
    "content, least, reason",
    [
        (None, 1, "missing"),
        (b"one\ntwo\n", 3, "2 usable captions, 3 needed"),
        (b"\n \n...\n", 1, "0 usable captions, 1 needed"),
        ("a bird".encode("utf-16"), 1, "UTF-16"),
    ],
)
def test_unusable_captions(tmp_path, content, least, reason):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unusable, match=re.escape(reason)) as raised:
        read_captions(path, least)
    assert raised.value.fix
