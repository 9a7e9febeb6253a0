"""Other projects' images: found by name or by a list, and put beside ours."""

import numpy as np
import pytest
from PIL import Image
from test_canvas import places

from ffgan_tf.utils.errors import UserError
from ffgan_tf.visuals import compare
from ffgan_tf.visuals.sentences import Caption

CAPTIONS = [Caption("a red bird.", "001.Auk/Auk_12", 0), Caption("a blue one", "001.Auk/Auk_123", 4)]


@pytest.fixture
def folder(tmp_path):
    def make(*names):
        for value, name in enumerate(names):
            path = tmp_path / "theirs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (12, 8), (value + 1, 0, 0)).save(path)
        return tmp_path / "theirs"

    return make


@pytest.mark.parametrize(
    "names, found",
    [
        (("001.Auk/Auk_12.png", "001.Auk/Auk_123.png"), (0, 1)),  # as the data set has them
        (("001.Auk/Auk_123_s0_g2.png", "001.Auk/Auk_12_s0_g2.png"), (1, 0)),  # AttnGAN's
        (("001.Auk_Auk_12_1.jpg", "001.Auk_Auk_12_0.jpg", "x_Auk_123.jpg"), (1, 2)),  # flat; the first of several
        (("single/Auk_12.png",), (0, None)),
        (("01-a-red-bird-1.png", "02-a-blue-one-1.png"), (0, 1)),  # those of sample
        (("Auk_1234.png", "Auk_1.png", "a-blue-one-b.png"), (None, 2)),
    ],
)
def test_by_name(folder, names, found):
    paths = compare.image_files(folder(*names))
    matched = [compare.match_by_name(paths, caption) for caption in CAPTIONS]
    root = folder()
    assert matched == [None if index is None else root / names[index] for index in found]


def test_by_a_list(folder, tmp_path):
    root, file = folder("a.png", "sub/b.png"), tmp_path / "list.txt"
    for text, expected in (
        ("sub/b.png\na.png\n", ["sub/b.png", "a.png"]),
        ("a.png\ta blue one\n", [None, "a.png"]),
        ("sub/b.png\t001.Auk/Auk_12\n\na.png\ta blue one\n", ["sub/b.png", "a.png"]),
    ):
        file.write_text(text, encoding="utf-8")
        assert compare.read_list(file, root, CAPTIONS) == [name and root / name for name in expected]
    for text, what in (
        ("a.png\n", "1 files for 2 sentences"),
        ("a.png\nnone.png\n", "line 2: .*none.png is no file"),
        ("a.png\ta\nsub/b.png\n", "some lines have a tab"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=f"--list=.*{what}"):
            compare.read_list(file, root, CAPTIONS)
    with pytest.raises(UserError, match="no such file"):
        compare.read_list(tmp_path / "none.txt", root, CAPTIONS)


def test_a_row_of_a_folder(folder):
    row = compare.folder_row("theirs", folder("Auk_12.png", "other.png"), CAPTIONS)
    assert row.name == "theirs" and row.images[1] is None
    assert row.images[0].shape == (8, 12, 3) and (row.images[0][..., 0] == 1).all()


def test_a_folder_that_has_nothing(folder, tmp_path):
    with pytest.raises(UserError, match="no file of it fits a sentence .*'001.Auk/Auk_12'.*--list=x=FILE"):
        compare.folder_row("x", folder("else.png"), CAPTIONS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="neither a run nor a folder with images"):
        compare.folder_row("x", tmp_path / "empty", CAPTIONS)


def test_models(tmp_path):
    (tmp_path / "dir").mkdir()
    assert compare.parse_model(str(tmp_path / "dir")) == ("dir", tmp_path / "dir")
    assert compare.parse_model(f"DF-GAN={tmp_path / 'dir'}") == ("DF-GAN", tmp_path / "dir")
    for text in ("", "a=", str(tmp_path / "none")):
        with pytest.raises(UserError, match="--model=.*no such folder"):
            compare.parse_model(text)


def test_sheet():
    rng = np.random.default_rng(0)
    ours = [rng.integers(0, 200, (64, 64, 3), np.uint8) for _ in range(2)]
    theirs = rng.integers(0, 200, (192, 300, 3), np.uint8)
    sheet = compare.compare_sheet([compare.Row("ours", ours), compare.Row("theirs", [theirs, None])], CAPTIONS)
    corners = [places(sheet, image.repeat(3, 0).repeat(3, 1)) for image in ours]
    beneath = places(sheet, theirs[:, 54:246])  # the middle square, at its own size
    assert [len(actual) for actual in (*corners, beneath)] == [1, 1, 1]
    assert corners[0][0][0] == corners[1][0][0] < beneath[0][0] and corners[0][0][1] == beneath[0][1]
