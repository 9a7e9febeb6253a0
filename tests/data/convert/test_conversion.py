"""The conversion engine on tiny data sets: the content of the records, every kind of bad input, one report."""

import dataclasses
import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data import records
from ffgan_tf.data.captions import Vocabulary, tokenize
from ffgan_tf.data.convert import cub, folder
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.utils.errors import UserError

SETTINGS = Settings(image_size=16, workers=1, images_per_shard=2)


def shard_bytes(path):
    return {file.name: file.read_bytes() for file in sorted(path.glob("*.tfrecord"))}


def test_records_hold_the_images_and_captions(tiny_cub, tmp_path):
    out = tmp_path / "out"
    manifest = convert(cub.read_source(tiny_cub), out, SETTINGS)
    assert manifest == records.read_manifest(out)
    assert {
        split: (part["images"], part["captions"], part["classes"], len(part["shards"]))
        for split, part in manifest["splits"].items()
    } == {"train": (4, 40, 2, 2), "test": (2, 20, 1, 1)}
    assert manifest["class_names"] == {"1": "001.Auk", "2": "002.Finch", "3": "003.Crow"}
    assert (manifest["image"]["chroma"], manifest["image"]["quality"]) == ("4:4:4", 100)
    assert records.storage(manifest) == "JPEG 4:4:4, quality 100"
    before = {"image": {"quality": 95}}  # a manifest of before colour was stored at full resolution
    assert records.storage(before) == "JPEG 4:2:0, quality 95"
    assert manifest["image"]["shorter_side"] == 19 and manifest["image"]["crop"] == "cub_box_0.75"
    for shard in (shard for part in manifest["splits"].values() for shard in part["shards"]):
        content = (out / shard["file"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard["bytes"], shard["sha256"])
    train = list(records.read_split(out, "train"))
    assert [record.name for record in train] == [
        "001.Auk/Auk_0001",
        "001.Auk/Auk_0002",
        "003.Crow/Crow_0001",
        "003.Crow/Crow_0002",
    ]
    assert [record.class_id for record in train] == [1, 1, 3, 3]
    vocabulary = Vocabulary.load(out / "vocabulary.json")
    assert vocabulary.hash == manifest["vocabulary"]["hash"] and vocabulary.source == "converter"
    texts = set()
    for record in [*train, *records.read_split(out, "test")]:
        written = (tiny_cub / "text" / f"{record.name}.txt").read_text().splitlines()
        assert list(record.texts) == written
        assert [[vocabulary.words[i] for i in ids] for ids in record.tokens] == [tokenize(text) for text in written]
        texts |= {word for text in written for word in tokenize(text)}
        image = Image.open(io.BytesIO(record.encoded))
        assert image.size == (record.width, record.height) and min(image.size) == 19
        # the box's centre is (20, 13), r = 15: columns 5-34 and rows 0-27 of the 40 x 30 image
        original = Image.open(tiny_cub / "CUB_200_2011" / "images" / f"{record.name}.jpg").crop((5, 0, 35, 28))
        assert image.size == (round(30 * 19 / 28), 19)
        expected = original.resize(image.size, Image.Resampling.BILINEAR)
        grey, expected_grey = (np.asarray(each.convert("L"), np.float32) for each in (image, expected))
        assert np.abs(grey - expected_grey).mean() < 2.5  # of grey: JPEG halves the colours' resolution
    assert set(vocabulary.words) == texts | {"<end>"}


def test_same_shards_whatever_the_workers(tiny_cub, tmp_path):
    source = cub.read_source(tiny_cub)
    for workers in (1, 2, 3):
        convert(source, tmp_path / str(workers), dataclasses.replace(SETTINGS, workers=workers))
    one = shard_bytes(tmp_path / "1")
    assert len(one) == 3 and one == shard_bytes(tmp_path / "2") == shard_bytes(tmp_path / "3")


def test_nothing_left_beside_the_output(tiny_folder, tmp_path):
    out = tmp_path / "made" / "out"
    convert(folder.read_source(tiny_folder, test_ratio=0.2), out, SETTINGS)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    with pytest.raises(UserError, match="exists.*--overwrite"):
        convert(folder.read_source(tiny_folder, test_ratio=0.2), out, SETTINGS)
    (tiny_folder / "red" / "a.txt").unlink()
    before = shard_bytes(out)
    with pytest.raises(UserError, match="nothing was written"):
        convert(folder.read_source(tiny_folder, test_ratio=0.4), out, dataclasses.replace(SETTINGS, overwrite=True))
    assert shard_bytes(out) == before
    again = dataclasses.replace(SETTINGS, overwrite=True, skip_bad=True)
    convert(folder.read_source(tiny_folder, test_ratio=0.4), out, again)
    assert shard_bytes(out) != before and [path.name for path in out.parent.iterdir()] == ["out"]


def test_one_report_of_everything_unusable(tiny_cub, tmp_path, capsys):
    images, text = tiny_cub / "CUB_200_2011" / "images", tiny_cub / "text"
    truncated = images / "001.Auk/Auk_0001.jpg"
    truncated.write_bytes(truncated.read_bytes()[:300])
    (text / "001.Auk/Auk_0001.txt").unlink()  # the same image's other file is looked at as well
    (text / "003.Crow/Crow_0001.txt").write_text("only one\n")
    (images / "003.Crow/Crow_0002.jpg").unlink()
    boxes = tiny_cub / "CUB_200_2011" / "bounding_boxes.txt"
    boxes.write_text(
        "".join(
            line.replace("10.0 5.0", "90.0 5.0") if line.startswith("5 ") else line
            for line in boxes.read_text().splitlines(True)
            if not line.startswith("2 ")
        )
    )
    (images / "004.Empty").mkdir()
    out = tmp_path / "out"
    with pytest.raises(UserError) as raised:
        convert(cub.read_source(tiny_cub), out, SETTINGS)
    report = str(raised.value)
    for file, reason in (
        ("001.Auk/Auk_0001.jpg", "not a readable image"),
        ("001.Auk/Auk_0001.txt", "missing"),
        ("001.Auk/Auk_0002.jpg", "no readable bounding box"),
        ("003.Crow/Crow_0001.txt", "1 usable captions, 10 needed"),
        ("003.Crow/Crow_0002.jpg", "missing"),
        ("002.Finch/Finch_0001.jpg", "outside the 40x30 image"),
        ("004.Empty", "a class without images"),
        ("001.Auk", "none of the class's images is usable"),
        ("003.Crow", "none of the class's images is usable"),
    ):
        assert any(f"{file}: " in line and reason in line for line in report.splitlines()), (file, reason)
    assert "9 unusable" in report and "--skip_bad" in report and report.count("Fix (") >= 5
    assert not out.exists() and not list(tmp_path.glob(".out*"))

    with pytest.raises(UserError, match="no usable image in the train split"):
        convert(cub.read_source(tiny_cub), out, dataclasses.replace(SETTINGS, skip_bad=True))
    assert "left out 5 of 6 listed images (9 problems)" in capsys.readouterr().err and not out.exists()
    (text / "003.Crow/Crow_0001.txt").write_text("".join(f"a crow with wing {i}\n" for i in range(10)))
    convert(cub.read_source(tiny_cub), out, dataclasses.replace(SETTINGS, skip_bad=True))
    assert [record.name for record in records.read_split(out, "test")] == ["002.Finch/Finch_0002"]
    assert [record.name for record in records.read_split(out, "train")] == ["003.Crow/Crow_0001"]


def test_odd_but_usable_input_is_normalised(tiny_cub, tmp_path, capsys):
    images, text = tiny_cub / "CUB_200_2011" / "images", tiny_cub / "text"
    photo = Image.open(images / "001.Auk/Auk_0001.jpg")
    photo.load()
    photo.convert("L").save(images / "001.Auk/Auk_0001.jpg")
    photo.convert("CMYK").save(images / "001.Auk/Auk_0002.jpg")
    photo.convert("RGBA").save(images / "003.Crow/Crow_0001.jpg", format="PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(images / "003.Crow/Crow_0002.jpg", exif=exif)
    latin = text / "002.Finch/Finch_0001.txt"
    latin.write_bytes(b"\n\n" + latin.read_bytes().replace(b"bird", b"b\xefrd"))
    for split in ("train", "test"):
        for name in ("filenames.pickle", "class_info.pickle"):
            path = tiny_cub / split / name
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    out = tmp_path / "out"
    manifest = convert(cub.read_source(tiny_cub), out, SETTINGS)
    assert manifest["splits"]["train"]["images"] == 4 and manifest["splits"]["test"]["images"] == 2
    for record in records.read_split(out, "train"):
        image = Image.open(io.BytesIO(record.encoded))
        assert image.mode == "RGB" and (image.width < image.height) == (record.name == "003.Crow/Crow_0002")
    assert list(records.read_split(out, "test"))[0].texts[0].startswith("this b\u00efrd")
    notes = capsys.readouterr().err
    for note in (
        "grey to RGB",
        "CMYK to RGB",
        "alpha laid over white",
        "rotated upright",
        "read as Latin-1",
        "CRLF damage repaired",
    ):
        assert note in notes


def test_captions_in_the_words_of_a_vocabulary(tiny_folder, tmp_path, capsys):
    """Each file says "image N", every other one "a second line"; numbers and "line" are not in the vocabulary."""
    source = folder.read_source(tiny_folder, test_ratio=0.2)
    source.vocabulary = Vocabulary(["<end>", "second", "image", "a"], "another model")
    manifest = convert(source, tmp_path / "out", SETTINGS)
    assert (manifest["vocabulary"]["words"], manifest["vocabulary"]["source"]) == (4, "another model")
    for split in records.SPLITS:
        for record in records.read_split(tmp_path / "out", split):
            assert [list(ids) for ids in record.tokens] == [[2], [3, 1]][: len(record.texts)]
    assert "note: 5 × word left out: not in the vocabulary (7 in all)" in capsys.readouterr().err


def test_captions_without_a_known_word_are_left_out(tiny_folder, tmp_path, capsys):
    source = folder.read_source(tiny_folder, test_ratio=0.2)
    source.vocabulary = Vocabulary(["<end>", "second"])
    with pytest.raises(
        UserError, match=r"Fix \(3\): write captions in its words(?s:.*)c.txt: none of its words is in --voc"
    ):
        convert(source, tmp_path / "out", SETTINGS)
    capsys.readouterr()
    (tiny_folder / "blue" / "e.txt").write_text("a second image\n")
    convert(source, tmp_path / "out", dataclasses.replace(SETTINGS, skip_bad=True))
    kept = [record for split in records.SPLITS for record in records.read_split(tmp_path / "out", split)]
    assert {record.name: record.texts for record in kept} == {
        "red/b": ["a second line"],
        "blue/d": ["a second line"],
        "blue/e": ["a second image"],
    }
    assert "note: 2 × caption left out: none of its words is in the vocabulary\n" in capsys.readouterr().err


def test_no_usable_image(tiny_folder, tmp_path):
    for path in tiny_folder.rglob("*.txt"):
        path.unlink()
    with pytest.raises(UserError, match="no usable image"):
        convert(folder.read_source(tiny_folder), tmp_path / "out", dataclasses.replace(SETTINGS, skip_bad=True))


def test_read_manifest_says_what_is_wrong_and_how_to_mend_it(tiny_folder, tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such data folder.*ffgan_tf.convert_cub"):
        records.read_manifest(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"manifest\.json: the manifest is missing.*convert_oxford102"):
        records.read_manifest(tmp_path / "empty")
    out = tmp_path / "out"
    manifest = convert(folder.read_source(tiny_folder, test_ratio=0.2), out, SETTINGS)
    shard = out / manifest["splits"]["train"]["shards"][1]["file"]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match=rf"{shard.name}: the shard has"):
        records.read_manifest(out)
    shard.unlink()
    with pytest.raises(UserError, match=rf"{shard.name}: the shard is missing"):
        records.read_manifest(out)
    (out / "manifest.json").write_text(json.dumps({**manifest, "format": 1, "name": "other"}))
    with pytest.raises(UserError, match=r"manifest\.json does not match"):
        records.read_manifest(out)
    records.write_manifest(out, {**manifest, "format": 99})
    with pytest.raises(UserError, match="record format 99"):
        records.read_manifest(out)


def test_a_record_comes_back_as_it_was():
    record = records.Record("a/\u00e9", 7, b"\xff\xd8bytes", 19, 25, ["one caption", "tw\u00f6"], [[3, 1, 2], [5]])
    assert records.parse(records.serialize(record)) == record
    with pytest.raises(ValueError, match="not a record"):
        records.parse(b"\x00rubbish")
