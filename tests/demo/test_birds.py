"""The demo data set: CUB's layout to the letter, same seed same bytes, captions and boxes that are true."""

import collections
import dataclasses
import hashlib
import json
import pickle
import re

import numpy as np
import pytest
from PIL import Image

from ffgan_tf.data.convert import cub
from ffgan_tf.data.convert.conversion import Settings, convert
from ffgan_tf.demo import rendering as demo_rendering
from ffgan_tf.demo.birds import make_demo_dataset, python2_pickle, render_scene
from ffgan_tf.demo.captions import captions
from ffgan_tf.demo.geometry import PALETTE
from ffgan_tf.demo.species import BODY_COLOURS, FAMILIES, choose_scene, choose_species
from ffgan_tf.utils.errors import UserError

COLOUR = "(red|orange|yellow|green|blue|white|black|brown|grey|pink)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "birds"
    counts = make_demo_dataset(out, seed=3, train_classes=5, test_classes=3, images_per_class=3, workers=2)
    assert counts == {"train": 15, "test": 9}
    return out


@pytest.fixture(scope="module")
def rendered(folder):
    return json.loads((folder / "rendered.json").read_text())


@pytest.fixture(scope="module")
def scenes():
    """Three images of each of fifty species, as parameters only."""
    return [
        (species, choose_scene(species, (5, 2, species.class_id, n)))
        for species in choose_species(5, 40, 10)
        for n in range(3)
    ]


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_gives_the_same_bytes_whatever_the_workers(folder, tmp_path):
    make_demo_dataset(tmp_path / "again", seed=3, train_classes=5, test_classes=3, images_per_class=3, workers=1)
    make_demo_dataset(tmp_path / "other", seed=4, train_classes=5, test_classes=3, images_per_class=3, workers=1)
    assert digests(tmp_path / "again") == digests(folder)
    images = [
        {digest for path, digest in digests(f).items() if path.endswith(".jpg")} for f in (folder, tmp_path / "other")
    ]
    assert len(images[0]) == 24 and not images[0] & images[1]


def test_layout_is_cubs(folder):
    tables = {
        line.split(" ", 1)[0]: line.split(" ", 1)[1]
        for line in (folder / "CUB_200_2011/images.txt").read_text().splitlines()
    }
    classes = dict(line.split(" ") for line in (folder / "CUB_200_2011/classes.txt").read_text().splitlines())
    labels = dict(line.split(" ") for line in (folder / "CUB_200_2011/image_class_labels.txt").read_text().splitlines())
    assert list(tables) == [str(k) for k in range(1, 25)] and list(classes) == [str(k) for k in range(1, 9)]
    expected = {"rendered.json", "colours.csv"}
    expected |= {f"CUB_200_2011/{name}.txt" for name in ("images", "bounding_boxes", "classes", "image_class_labels")}
    expected |= {f"{split}/{name}.pickle" for split in ("train", "test") for name in ("filenames", "class_info")}
    for image_id, path in tables.items():
        assert re.fullmatch(r"\d{3}\.[A-Z]\w+/[A-Z]\w+_\d{4}_\d{6}\.jpg", path)
        assert path.split("/")[0] == classes[labels[image_id]]
        assert int(path[:3]) == int(labels[image_id])
        expected |= {f"CUB_200_2011/images/{path}", f"text/{path[:-4]}.txt"}
    assert set(digests(folder)) == expected


def test_pickles_are_python_2s_and_the_classes_disjoint(folder):
    seen = {}
    for split, count in (("train", 15), ("test", 9)):
        raw = (folder / split / "filenames.pickle").read_bytes()
        names = pickle.loads(raw, encoding="latin1")
        assert pickle.loads(raw, encoding="bytes") == [name.encode() for name in names]  # str of Python 2 = bytes
        ids = pickle.loads((folder / split / "class_info.pickle").read_bytes())
        assert len(names) == len(ids) == count and all(type(k) is int for k in ids)
        assert [int(name[:3]) for name in names] == ids
        seen[split] = set(ids)
    assert not seen["train"] & seen["test"] and seen["train"] | seen["test"] == set(range(1, 9))


def test_python2_pickle_round_trip():
    assert pickle.loads(python2_pickle([])) == []
    assert pickle.loads(python2_pickle(["a.B/c_1", "d"])) == ["a.B/c_1", "d"]
    assert pickle.loads(python2_pickle([0, -3, 200])) == [0, -3, 200]


def test_ten_captions_each_and_colours_csv_agree_with_what_was_rendered(folder, rendered):
    rows = [line.split(",") for line in (folder / "colours.csv").read_text().splitlines()]
    assert rows[0] == ["image", "class", "colour"]
    assert {name: colour for name, _, colour in rows[1:]} == {
        i["name"]: i["scene"]["bird"]["body"] for i in rendered["images"]
    }
    for image in rendered["images"]:
        lines = (folder / "text" / f"{image['name']}.txt").read_text().splitlines()
        assert len(lines) == len(set(lines)) == 10
        assert lines == [caption["text"] for caption in image["captions"]]


def test_captions_are_true(scenes):
    """Every colour word is read back by a grammar of the test's own, and so is every other claim."""
    parts = {
        "belly": "body",
        "breast": "body",
        "chest": "body",
        "body": "body",
        "bodied bird": "body",
        "underparts": "body",
        "wings": "wing",
        "crown": "crown",
        "crest": "crown",
        "tail": "tail",
        "legs": "legs",
        "feet": "legs",
        "throat": "throat",
        "bill": "bill",
        "beak": "bill",
        "eyering": None,
        "wingbars": None,
    }
    nouns = "|".join(sorted(parts, key=len, reverse=True))
    shapes = "pointed|sharp|cone shaped|conical|thick|hooked|downward curved|curved|wide flat|flat"
    shape_of = {
        "pointed": "pointed",
        "sharp": "pointed",
        "cone shaped": "cone",
        "conical": "cone",
        "thick": "cone",
        "hooked": "hooked",
        "downward curved": "curved",
        "curved": "curved",
        "wide flat": "flat",
        "flat": "flat",
    }
    pose_of = {
        "on a branch": "perched",
        "on the ground": "standing",
        "on the water": "swimming",
        "flying": "flying",
        "in flight": "flying",
    }
    words = set()
    for species, scene in scenes:
        bird = scene.bird
        for text, claims in captions(bird, FAMILIES[species.family].size, (*scene.seed, 3)):
            words |= set(re.findall(r"\w+", text))
            actual = [(part, colour) for colour, part in re.findall(rf"\b{COLOUR} (?:(?:{shapes}) )?({nouns})\b", text)]
            actual += re.findall(rf"\b({nouns}) (?:of this bird )?(?:is|are) {COLOUR}\b", text)
            assert len(actual) == len(re.findall(rf"\b{COLOUR}\b", text)), text  # no colour word is left over
            for part, colour in actual:
                true = "white" if parts[part] is None else getattr(bird, parts[part])
                assert colour == true, (text, bird)
            assert bird.body in [colour for part, colour in actual if parts[part] == "body"], text
            assert claims["body"] == bird.body
            assert ("eyering" in text) <= bird.eyering and ("wingbars" in text) <= bird.wingbars
            assert ("crest" in text) <= bird.crest and ("throat" in text) <= (bird.throat is not None)
            assert not re.search("legs|feet", text) or bird.pose in ("perched", "standing")
            for match in re.findall(rf"({shapes}) (?:bill|beak)", text):
                assert shape_of[match] == bird.bill_shape
            for match in re.findall(rf"\b(short|small|long) (?:{COLOUR} )?(?:(?:{shapes}) )?(?:bill|beak)", text):
                assert bird.bill_length >= 0.3 if match[0] == "long" else bird.bill_length <= 0.2
            for phrase, pose in pose_of.items():
                assert not re.search(rf"is (\w+ )?{phrase}", text) or bird.pose == pose, text
    assert len(words) > 60


def test_boxes_lie_inside_and_hold_the_bird(folder, rendered):
    boxes = {
        line.split(" ")[0]: [float(v) for v in line.split(" ")[1:]]
        for line in (folder / "CUB_200_2011/bounding_boxes.txt").read_text().splitlines()
    }
    checked = 0
    for image in rendered["images"]:
        x, y, w, h = map(int, boxes[str(image["image_id"])])
        pixels = np.asarray(Image.open(folder / "CUB_200_2011/images" / f"{image['name']}.jpg"), float)
        height, width = pixels.shape[:2]
        assert 180 <= min(width, height) <= max(width, height) <= 320
        assert x >= 0 and y >= 0 and x + w <= width and y + h <= height and max(w, h) >= 0.4 * min(width, height)
        if image["body_colour"] not in ("white", "black", "brown"):  # these occur in backgrounds and perches too
            distance = np.abs(pixels - PALETTE[image["body_colour"]]).max(-1)
            outside = distance.copy()
            outside[y : y + h, x : x + w] = np.inf
            assert (distance < 40).sum() > 0.02 * w * h and (outside < 40).sum() == 0, image["name"]
            checked += 1
    assert checked >= 9


def test_box_is_exact_where_no_perch_is_in_the_way(scenes):
    """What hides the background is the bird: the same bird over black and over white differs elsewhere only."""
    flying = [scene for _, scene in scenes if scene.bird.pose == "flying"][:6]
    for scene in flying:
        over = [
            demo_rendering.render(
                scene.bird,
                np.full((scene.height, scene.width, 3), value, np.float32),
                scene.scale,
                scene.centre,
                scene.mirrored,
                scene.seed,
            )[0].astype(int)
            for value in (0, 255)
        ]
        rows, columns = np.where((over[1] - over[0]).max(-1) < 127.5)
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert box == demo_rendering.bounding_box(render_scene(scene)[1])


def test_facing_left_is_the_mirror_image():
    scene = choose_scene(choose_species(0, 1, 1)[0], (0, 2, 1, 1))
    backdrop = np.full((200, 200, 3), 128, np.float32)
    bird = dataclasses.replace(scene.bird, pose="flying")
    right, left = (
        demo_rendering.render(bird, backdrop, 80.0, (100.0, 100.0), mirrored, 0)[1] for mirrored in (False, True)
    )
    assert np.abs(right - left[:, ::-1]).mean() < 0.01 < np.abs(right - left).mean()


def test_test_classes_show_every_colour_in_new_combinations():
    species = choose_species(0, 40, 10)
    by_split = {split: [s for s in species if s.split == split] for split in ("train", "test")}
    assert {split: len(some) for split, some in by_split.items()} == {"train": 40, "test": 10}
    for some in by_split.values():
        assert {s.body for s in some} == set(BODY_COLOURS)
        counts = collections.Counter(s.body for s in some).values()
        assert max(counts) - min(counts) <= 1
    pairs = {split: {frozenset((s.body, s.wing)) for s in some} for split, some in by_split.items()}
    assert not pairs["train"] & pairs["test"]
    assert len({(s.body, s.wing) for s in by_split["train"]}) == 40
    assert all(s.body != s.wing for s in species)
    families = collections.defaultdict(set)  # a colour must not give the shape away
    for s in by_split["train"]:
        families[s.body].add(s.family)
    assert min(len(f) for f in families.values()) >= 4


def test_an_existing_folder_is_left_alone(folder, tmp_path):
    before = digests(folder)
    with pytest.raises(UserError, match="--overwrite"):
        make_demo_dataset(folder, 0, 1, 1, 1)
    assert digests(folder) == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    with pytest.raises(UserError, match="not a demo data set"):
        make_demo_dataset(tmp_path / "mine", 0, 1, 1, 1, overwrite=True)
    assert (tmp_path / "mine/thesis.txt").read_text() == "x"
    make_demo_dataset(tmp_path / "new", 0, 1, 1, 1, workers=1)
    make_demo_dataset(tmp_path / "new", 1, 1, 1, 2, overwrite=True, workers=1)
    assert json.loads((tmp_path / "new/rendered.json").read_text())["seed"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "new"]


def test_goes_through_the_converter_as_cub_does(folder, tmp_path):
    manifest = convert(cub.read_source(folder), tmp_path / "records", Settings(image_size=64, workers=1))
    assert manifest["name"] == "rendered_birds"  # not `cub`, which Table 2 has
    assert {split: part["images"] for split, part in manifest["splits"].items()} == {"train": 15, "test": 9}
    assert {split: part["captions"] for split, part in manifest["splits"].items()} == {"train": 150, "test": 90}
