"""CUB-200-2011 in the layout of StackGAN and AttnGAN (spec section 8)."""

import re
from pathlib import Path

from ffgan_tf.data.convert import Item, Source
from ffgan_tf.data.images import Box
from ffgan_tf.data.pickles import load_pickle
from ffgan_tf.data.problems import Problem
from ffgan_tf.data.records import SPLITS
from ffgan_tf.utils.errors import UserError

_LAYOUT = ("Mend: point --cub at the folder that holds CUB_200_2011/{images/, images.txt, bounding_boxes.txt}, text/ or "
           "text_c10/ with <class>/<image>.txt, and {train,test}/{filenames,class_info}.pickle.")


def read_source(root: str | Path) -> Source:
    """The published files under `root`. The split is that of the pickles, not of `train_test_split.txt`.

    An image keeps the class number that begins its folder's name ('002.Laysan_Albatross' → 2), which is what
    class_info holds; so an unreadable class_info costs nothing. Raises UserError where a whole file is missing.
    """
    root = Path(root)
    cub = root / "CUB_200_2011"
    if not (cub / "images").is_dir():
        raise UserError(f"{cub / 'images'}: the images are missing. {_LAYOUT}")
    text = next((folder for folder in (root / "text", root / "text_c10") if folder.is_dir()), None)
    if text is None:
        raise UserError(f"{root / 'text'}: the captions are missing. {_LAYOUT}")
    boxes = read_boxes(cub)
    source = Source("cub", str(root), [], {}, crop="cub_box_0.75")
    seen: dict[str, str] = {}
    class_split: dict[int, str] = {}
    for split in SPLITS:
        names = _read_names(root / split / "filenames.pickle", source)
        classes = _classes(root / split / "class_info.pickle", names, source)
        for name, class_id in zip(names, classes):
            image = cub / "images" / f"{name}.jpg"
            folder = name.partition("/")[0]
            if name in seen:
                source.problems.append(Problem(f"{root / split}/filenames.pickle", f"{name} is also in {seen[name]}",
                                               "list every image once"))
                continue
            seen[name] = split
            if class_split.setdefault(class_id, split) != split:
                source.problems.append(Problem(str(image), f"its class {class_id} is in both splits",
                                               "use the published lists, whose classes are disjoint"))
            elif name not in boxes:
                source.problems.append(Problem(str(image), "no bounding box", "add the image to images.txt and its box "
                                               "to bounding_boxes.txt"))
            else:
                source.items.append(Item(split, name, image, class_id, text / f"{name}.txt", boxes[name]))
                source.class_names[class_id] = folder
    used = {name.partition("/")[0] for name in seen}
    found = {folder.name for parent in (cub / "images", text) for folder in parent.iterdir() if folder.is_dir()}
    for name in sorted(found - used):
        folder = cub / "images" / name
        if not any(folder.glob("*.jpg")):
            source.problems.append(Problem(str(folder), "a class without images",
                                           "add its images, or remove its folders"))
    return source


def read_boxes(cub: Path) -> dict[str, Box]:
    """Image name (`<class>/<image>`) → (x, y, width, height) from images.txt and bounding_boxes.txt.

    Raises UserError where a file is missing or a line of it is not in the published form.
    """
    names = {fields[0]: fields[1] for fields in _table(cub / "images.txt", 2)}
    boxes = {}
    for number, *values in _table(cub / "bounding_boxes.txt", 5):
        try:
            box = tuple(float(value) for value in values)
        except ValueError:
            raise UserError(f"{cub / 'bounding_boxes.txt'}: image {number}: {' '.join(values)!r} are not four numbers. "
                            f"{_LAYOUT}") from None
        if number in names:
            boxes[names[number].rpartition(".")[0]] = box
    return boxes


def _table(path: Path, columns: int) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: missing or unreadable ({error}). {_LAYOUT}") from None
    rows = [line.split() for line in lines if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise UserError(f"{path}: line {number} has {len(row)} columns, not {columns}. {_LAYOUT}")
    return rows


def _read_names(path: Path, source: Source) -> list[str]:
    if not path.is_file():
        raise UserError(f"{path} is missing. {_LAYOUT}")
    names, notes = load_pickle(path)
    source.notes += notes
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and "/" in name for name in names):
        raise UserError(f"{path}: not a list of '<class>/<image>' names. {_LAYOUT}")
    return [name.replace("\\", "/") for name in names]


def _classes(path: Path, names: list[str], source: Source) -> list[int]:
    """Each image's class from its folder's number, or from class_info where the folders have none."""
    try:
        listed, notes = load_pickle(path)
        listed = [int(class_id) for class_id in listed]
        source.notes += notes
    except (UserError, TypeError, ValueError) as error:
        listed = None
        reason = str(error).partition(" Mend:")[0].removeprefix(f"{path}: ")
    matches = [re.match(r"(\d+)\.", name) for name in names]
    if all(matches):
        classes = [int(match[1]) for match in matches]
        if listed is None:
            source.notes.append(f"{path} unreadable ({reason}); rebuilt from the class folders' numbers")
        elif listed != classes and not _same_grouping(listed, classes):
            source.problems.append(Problem(str(path), "does not fit filenames.pickle: it groups the images otherwise "
                                           "than their folders do", "take both pickles from one publication"))
        return classes
    if listed is None:
        raise UserError(f"{path}: {reason} Neither have all class folders a number. {_LAYOUT}")
    if len(listed) != len(names):
        raise UserError(f"{path}: {len(listed)} classes for {len(names)} images. {_LAYOUT}")
    return listed


def _same_grouping(one: list[int], other: list[int]) -> bool:
    """Whether two lists of class numbers differ in the numbering only."""
    pairs = set(zip(one, other))
    return len(one) == len(other) and len(pairs) == len(set(one)) == len(set(other))
