"""Reader of any folder of images, each beside a text file of the same name with its captions."""

import collections
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from ffgan_tf.data.captions import CAPTIONS_PER_IMAGE
from ffgan_tf.data.convert.conversion import Item, Source
from ffgan_tf.data.images import EXTENSIONS
from ffgan_tf.data.problems import Problem
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import read_text


def read_source(
    root: str | Path,
    test_list: str | Path | None = None,
    test_ratio: float = 0.0,
    seed: int = 0,
    captions_per_image: int = CAPTIONS_PER_IMAGE,
) -> Source:
    """Reads all images under `root`, each with the first `captions_per_image` lines of `<image>.txt` as captions.

    Every folder is a class. Images in `root` itself are a class each, as AttnGAN numbers images without classes,
    because the loss needs an image of another class for every sentence. The test split is the names in
    `test_list` (one a line, relative to `root`, with or without extension), or the share `test_ratio` of the images,
    drawn by `seed`. Links to folders are followed, each folder once; every file that is left out appears in a problem
    or a note. Raises UserError: no such folder, no images, an unknown name in the list.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"--folder={root}: no such folder. Fix: point --folder at the images.")
    paths, folders, problems, notes = _walk(root)
    if not paths:
        raise UserError(f"{root}: no images in it ({', '.join(EXTENSIONS)}). Fix: point --folder at the images.")
    by_name = collections.defaultdict(list)
    for path in paths:
        by_name[path.relative_to(root).with_suffix("").as_posix()].append(path)
    test = _listed(Path(test_list), by_name) if test_list else _drawn(sorted(by_name), test_ratio, seed)
    if (test_list or test_ratio) and not 0 < len(test) < len(by_name):
        flag = f"--test_list={test_list}" if test_list else f"--test_ratio={test_ratio:g}"
        raise UserError(
            f"{flag}: {len(test):,} of {len(by_name):,} images would be the test split, and one of the two splits "
            "would be empty. Fix: choose so that both have images."
        )
    classes = {name: name.rpartition("/")[0] or name for name in by_name}
    numbers = {class_name: number for number, class_name in enumerate(sorted(set(classes.values())), 1)}
    source = Source(
        root.resolve().name,
        str(root),
        [],
        {number: name for name, number in numbers.items()},
        problems,
        notes,
        least_captions=1,
        most_captions=captions_per_image,
    )
    for name, (path, *others) in sorted(by_name.items()):
        if others:
            source.problems.append(
                Problem(str(path), f"shares its caption file with {others[0].name}", "give the images different names")
            )
            continue
        source.items.append(
            Item("test" if name in test else "train", name, path, numbers[classes[name]], path.with_suffix(".txt"))
        )
    parents = {path.parent for path in paths}
    source.problems += [
        Problem(str(folder), "a class without images", "add its images, or remove the folder")
        for folder in sorted(folders)
        if folder not in parents and not any(folder in parent.parents for parent in parents)
    ]
    return source


def _walk(root: Path) -> tuple[list[Path], list[Path], list[Problem], list[str]]:
    """(images under `root`, its readable folders, problems, notes on files left out); images and folders sorted."""
    images, folders, problems = [], [], []
    ignored: collections.Counter = collections.Counter()
    captions: list[Path] = []
    seen: dict[str, str] = {}

    def unreadable(error: OSError) -> None:
        problems.append(Problem(str(error.filename), f"cannot be read: {error.strerror}", "make the folder readable"))

    for folder, inner, names in os.walk(root, onerror=unreadable, followlinks=True):
        if first := seen.setdefault(os.path.realpath(folder), folder):
            if first != folder:
                inner.clear()
                problems.append(Problem(folder, f"a link to {first}, which is read already", "remove the link"))
                continue
        folders.append(Path(folder))
        ignored["hidden"] += sum(name.startswith(".") for name in (*inner, *names))
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder, name)
            if not path.exists():
                problems.append(Problem(str(path), "a link to nothing, or to itself", "restore the link's target"))
            elif path.suffix.lower() in EXTENSIONS:
                images.append(path)
            elif path.suffix.lower() == ".txt":
                captions.append(path)
            else:
                ignored[path.suffix.lower() or "without an ending"] += 1
    with_image = {path.with_suffix("") for path in images}
    ignored[".txt without an image"] += sum(path.with_suffix("") not in with_image for path in captions)
    notes = [f"{count:,} left out: {kind}" for kind, count in sorted(ignored.items()) if count]
    return sorted(images), folders[1:], problems, notes


def _listed(path: Path, names: dict[str, list[Path]]) -> set[str]:
    text = read_text(path, "--test_list", "Fix: a UTF-8 file with an image's name a line.")
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    chosen = {line if line in names else line.rpartition(".")[0] for line in lines}
    if unknown := sorted(chosen - set(names)):
        raise UserError(
            f"--test_list={path}: {len(unknown)} names are not among the images, the first is "
            f"{unknown[0] or lines[0]!r}. Fix: write them relative to the folder."
        )
    return chosen


def _drawn(names: Sequence[str], ratio: float, seed: int) -> set[str]:
    """The first `ratio` of the names in the order of their seeded hashes: the same on every machine and library."""
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest())
    return set(order[: round(ratio * len(order))])
