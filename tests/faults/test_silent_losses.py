"""Folders with odd files, drawn at random: every change and omission is named or counted, and nothing is lost.

`--cases=1000` draws that many folders.
"""

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data import records
from ffgan_tf.data.convert import folder
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.utils.errors import UserError

SETTINGS = Settings(image_size=16, workers=1, skip_bad=True)


def image_array(random, size=(40, 30)):
    """Smooth noise (H, W, 3) uint8."""
    coarse = Image.fromarray(random.integers(0, 256, (4, 5, 3), np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC))


class Folder:
    """A folder under construction: sound images, then the files of `ODDITIES`; `stderr` collects the expected notes."""

    def __init__(self, root: Path, random: np.random.Generator):
        self.root, self.random = root, random
        self.stderr: list[str] = []  # regular expressions that stderr must match
        self.captions: dict[str, list[str]] = {}  # of the records, by name
        for number in range(4):
            self.image(f"class_{number % 2}/sound_{number}")

    def image(self, name, captions=("a bird", "a red bird"), ending="png", **options):
        path = self.root / f"{name}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = options.pop("picture", None) or Image.fromarray(image_array(self.random))
        picture.save(path, **options)
        path.with_suffix(".txt").write_text("".join(f"{line}\n" for line in captions), encoding="utf-8")
        self.captions[name] = list(captions)
        return path


def many_lines(case):
    count = int(case.random.integers(11, 90))
    case.image("class_0/many", [f"bird number {i}" for i in range(count)])
    case.captions["class_0/many"] = [f"bird number {i}" for i in range(10)]
    more = rf" \({count - 10} in all\)" if count > 11 else ""
    case.stderr.append(f"1 × caption lines beyond the first 10 of an image, left out{more}\n")


def translations(case):
    lines = ["a bird", "de.utf8=ein Vogel", "fr: un oiseau"]
    case.image("class_0/languages", lines)
    case.stderr.append(r"1 × caption lines like .* \(2 in all\)")


def cut_letters(case):
    case.image("class_0/cafe", ["a caf\u00e9 sign", "\u9e1f"])
    case.captions["class_0/cafe"] = ["a caf\u00e9 sign"]
    case.stderr += ["[12] × words that lose their other letters", "1 × captions without a word, skipped"]


def one_latin_line(case):
    path = case.image("class_1/latin", ["a na\u00efve bird", "a caf\u00e9"])
    path.with_suffix(".txt").write_bytes("a na\u00efve bird\n".encode() + "a caf\u00e9\n".encode("latin-1"))
    case.stderr.append("1 × caption lines not UTF-8, read as Latin-1\n")


def cr_alone(case):
    path = case.image("class_1/cr", ["one bird", "two birds", "three birds"])
    path.with_suffix(".txt").write_bytes(b"one bird\rtwo birds\rthree birds\r")


def ignored_endings(case):
    for ending in case.random.choice([".svg", ".heic", ".psd", ".orig"], 2, replace=False):
        (case.root / "class_0" / f"other{ending}").write_bytes(b"?")
        case.stderr.append(f"1 left out: {re.escape(ending)}\n")


def jfif(case):
    path = case.image("class_0/scan", ending="jpg")
    path.rename(path.with_suffix(".jfif"))


def captions_alone(case):
    (case.root / "class_1" / "lonely.txt").write_text("a bird\n")
    case.stderr.append("1 left out: .txt without an image\n")


def links(case):
    kind = case.random.integers(3)
    target = case.root / "class_0" / "linked.png"
    if kind == 0:
        target.symlink_to(case.root / "nowhere.png")
        case.stderr.append("linked.png: a link to nothing")
    elif kind == 1:
        target.symlink_to(target)
        case.stderr.append("linked.png: a link to nothing")
    else:
        (case.root / "class_0" / "again").symlink_to(case.root)
        case.stderr.append("again: a link to .*, which is read already")


def linked_folder(case):
    outside = case.root.parent / f"outside_{case.root.name}"
    other = Folder.__new__(Folder)
    other.root, other.random, other.captions = outside, case.random, {}
    other.image("far")
    (case.root / "class_far").symlink_to(outside)
    case.captions["class_far/far"] = other.captions["far"]


def frames(case):
    pictures = [Image.fromarray(image_array(case.random)) for _ in range(3)]
    case.image("class_0/film", ending="gif", picture=pictures[0], save_all=True, append_images=pictures[1:])
    case.stderr.append("1 × the first of several frames or pages taken")


def small_image(case):
    side = int(case.random.choice([1, 2, 4, 8, 16]))  # stored with a shorter side of 19
    case.image("class_1/small", picture=Image.fromarray(image_array(case.random, (side, side))))
    words = {1: "8-fold or more", 2: "8-fold or more", 4: "4- to 8-fold", 8: "2- to 4-fold", 16: "less than 2-fold"}
    case.stderr.append(f"1 × enlarged {words[side]}")


def float_tiff(case):
    grey = np.linspace(0.2, 1, 1200, dtype=np.float32).reshape(30, 40)
    case.image("class_0/float", ending="tiff", picture=Image.fromarray(grey))
    case.stderr.append("1 × floats of 0 to 1 to RGB")


def one_colour(case):
    case.image("class_0/blank", picture=Image.new("RGB", (40, 30), tuple(case.random.integers(0, 256, 3).tolist())))
    case.stderr.append("[12] × of one single colour")  # a small image of one pixel is another


def latin_name(case):
    path = case.image("class_1/name")
    for ending in (".png", ".txt"):
        os.rename(path.with_suffix(ending), os.fsencode(case.root / "class_1") + b"/caf\xe9" + ending.encode())
    del case.captions["class_1/name"]
    case.stderr.append(r"caf\\xe9: its name is not UTF-8")


ODDITIES = [
    *(many_lines, translations, cut_letters, one_latin_line, cr_alone, ignored_endings, jfif, captions_alone, links),
    *(linked_folder, frames, small_image, float_tiff, one_colour, latin_name),
]


def test_nothing_is_lost_without_a_word(tmp_path, draw_cases, capsys):
    def case_of(seed):
        random = np.random.default_rng(seed)
        case = Folder(tmp_path / str(seed), random)
        chosen = [ODDITIES[i] for i in random.choice(len(ODDITIES), random.integers(1, 6), replace=False)]
        if seed < len(ODDITIES) and ODDITIES[seed] not in chosen:  # each at least once
            chosen.append(ODDITIES[seed])
        for oddity in chosen:
            oddity(case)
        capsys.readouterr()
        out = tmp_path / f"out_{seed}"
        convert(folder.read_source(case.root, test_ratio=0.4, seed=seed), out, SETTINGS)
        stderr = capsys.readouterr().err
        about = f"case {seed}: {', '.join(oddity.__name__ for oddity in chosen)}\n{stderr}"
        for expected in case.stderr:
            assert re.search(expected, stderr), f"{expected!r} not said; {about}"
        stored = {record.name: record for split in records.SPLITS for record in records.read_split(out, split)}
        assert {name: list(record.texts) for name, record in stored.items()} == case.captions, about
        if float_tiff in chosen:
            assert np.asarray(Image.open(io.BytesIO(stored["class_0/float"].encoded))).mean() > 100, about

    draw_cases(15, case_of)


@pytest.mark.parametrize("ratio", [0.01, 0.99, 1.0])
def test_a_split_without_images_is_refused(tmp_path, ratio):
    Folder(tmp_path / "images", np.random.default_rng(0))
    with pytest.raises(UserError, match=f"--test_ratio={ratio:g}: [04] of 4 images"):
        folder.read_source(tmp_path / "images", test_ratio=ratio)


def test_more_captions_of_an_image_by_flag(tmp_path):
    case = Folder(tmp_path / "images", np.random.default_rng(0))
    many_lines(case)
    convert(folder.read_source(case.root, test_ratio=0.4, captions_per_image=12), tmp_path / "out", SETTINGS)
    stored = {record.name: record for split in records.SPLITS for record in records.read_split(tmp_path / "out", split)}
    assert len(stored["class_0/many"].texts) in (11, 12)
