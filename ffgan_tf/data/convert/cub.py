"""CUB-200-2011 in the layout of StackGAN and AttnGAN (docs/model.md section 8)."""

import re
from pathlib import Path

from ffgan_tf.data.convert.attngan_captions import read_pickled_captions
from ffgan_tf.data.convert.conversion import Item, Source
from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.data.images import Box
from ffgan_tf.data.problems import Problem
from ffgan_tf.data.records import SPLITS
from ffgan_tf.utils.errors import UserError

_LAYOUT = (
    "Fix: point --cub at the folder that holds CUB_200_2011/{images/, images.txt, bounding_boxes.txt}, text/ "
    "or text_c10/ with <class>/<image>.txt, and {train,test}/{filenames,class_info}.pickle."
)


def read_source(root: str | Path, captions_pickle: str | Path | None = None) -> Source:
    """Reads the published files under `root`. The pickles give the split, not `train_test_split.txt`.

    An image's class is the number at the start of its folder's name ('002.Laysan_Albatross' → 2). class_info holds
    the same numbers, so the data can be read without it. `captions_pickle` is AttnGAN's: its vocabulary and token ids
    then replace the converter's. Raises UserError if a whole file is missing.
    """
    root = Path(root)
    cub = root / "CUB_200_2011"
    if not (cub / "images").is_dir():
        raise UserError(f"{cub / 'images'}: the images are missing. {_LAYOUT}")
    text = next((folder for folder in (root / "text", root / "text_c10") if folder.is_dir()), None)
    if text is None:
        raise UserError(f"{root / 'text'}: the captions are missing. {_LAYOUT}")
    boxes = read_boxes(cub)
    pickled = read_pickled_captions(captions_pickle) if captions_pickle else None
    # The demo's birds come in this layout; only birds that were photographed are CUB's.
    name = "rendered_birds" if (root / "rendered.json").is_file() else "cub"
    source = Source(name, str(root), [], {}, crop="cub_box_0.75", vocabulary=pickled.vocabulary if pickled else None)
    seen: dict[str, str] = {}
    class_split: dict[int, str] = {}
    for split in SPLITS:
        names = _read_names(root / split / "filenames.pickle", source)
        classes = _classes(root / split / "class_info.pickle", names, source)
        token_ids = pickled.per_image(split, len(names)) if pickled else [None] * len(names)
        for name, class_id, ids in zip(names, classes, token_ids):
            image = cub / "images" / f"{name}.jpg"
            class_folder = name.partition("/")[0]
            if name in seen:
                source.problems.append(
                    Problem(
                        f"{root / split}/filenames.pickle", f"{name} is also in {seen[name]}", "list every image once"
                    )
                )
                continue
            seen[name] = split
            fault = None
            if class_split.setdefault(class_id, split) != split:
                fault = Problem(
                    str(image),
                    f"its class {class_id} is in both splits",
                    "use the published lists, whose classes are disjoint",
                )
            elif name not in boxes:
                fault = Problem(
                    str(image),
                    "no readable bounding box",
                    "add the image to images.txt and its box to bounding_boxes.txt",
                )
            source.items.append(Item(split, name, image, class_id, text / f"{name}.txt", boxes.get(name), ids, fault))
            source.class_names[class_id] = class_folder
    used = {name.partition("/")[0] for name in seen}
    folders = {folder.name for parent in (cub / "images", text) for folder in parent.iterdir() if folder.is_dir()}
    for name in sorted(folders - used):
        folder = cub / "images" / name
        if not any(folder.glob("*.jpg")):
            source.problems.append(
                Problem(str(folder), "a class without images", "add its images, or remove its folders")
            )
    return source


def read_boxes(cub: Path) -> dict[str, Box]:
    """Image name (`<class>/<image>`) → (x, y, width, height) from images.txt and bounding_boxes.txt.

    Lines in another form are skipped. Raises UserError if a file is missing.
    """
    names = dict(line.split(maxsplit=1) for line in _lines(cub / "images.txt") if len(line.split()) > 1)
    boxes = {}
    for line in _lines(cub / "bounding_boxes.txt"):
        number, *values = line.split()
        try:
            x, y, width, height = (float(value) for value in values)
        except ValueError:
            continue
        if number in names:
            boxes[names[number].rpartition(".")[0]] = (x, y, width, height)
    return boxes


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: missing or unreadable ({error}). {_LAYOUT}") from None
    return [line.strip() for line in lines if line.strip()]


def _read_names(path: Path, source: Source) -> list[str]:
    if not path.is_file():
        raise UserError(f"{path} is missing. {_LAYOUT}")
    names, notes = load_pickle(path)
    source.notes += notes
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and "/" in name for name in names):
        raise UserError(f"{path}: not a list of '<class>/<image>' names. {_LAYOUT}")
    return [name.replace("\\", "/") for name in names]


def _classes(path: Path, names: list[str], source: Source) -> list[int]:
    """Each image's class: its folder's number, or class_info's if the folders have no numbers."""
    try:
        listed, notes = load_pickle(path)
        listed = [int(class_id) for class_id in listed]
        source.notes += notes
    except (UserError, TypeError, ValueError) as error:
        listed = None
        reason = str(error).partition(" Fix:")[0].removeprefix(f"{path}: ")
    matches = [match for name in names if (match := re.match(r"(\d+)\.", name))]
    if len(matches) == len(names):
        classes = [int(match[1]) for match in matches]
        if listed is None:
            source.notes.append(f"{path} unreadable ({reason}); rebuilt from the class folders' numbers")
        elif listed != classes and not _same_grouping(listed, classes):
            source.problems.append(
                Problem(
                    str(path),
                    "does not fit filenames.pickle: it groups the images differently than their folders do",
                    "take both pickles from one publication",
                )
            )
        return classes
    if listed is None:
        raise UserError(f"{path}: {reason} The class folders cannot replace it: some have no number. {_LAYOUT}")
    if len(listed) != len(names):
        raise UserError(f"{path}: {len(listed)} classes for {len(names)} images. {_LAYOUT}")
    return listed


def _same_grouping(one: list[int], other: list[int]) -> bool:
    """Whether two lists of class numbers are equal up to renumbering."""
    pairs = set(zip(one, other))
    return len(one) == len(other) and len(pairs) == len(set(one)) == len(set(other))
