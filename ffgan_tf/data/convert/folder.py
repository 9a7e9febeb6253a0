"""Any folder of images, each with its captions in a text file of the same name beside it."""

import collections
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ffgan_tf.data.convert.conversion import Item, Source
from ffgan_tf.data.problems import Problem
from ffgan_tf.utils.errors import UserError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def read_source(
    root: str | Path, test_list: str | Path | None = None, test_ratio: float = 0.0, seed: int = 0
) -> Source:
    """The images anywhere under `root`, with 1 to 10 captions each in `<image>.txt`.

    A class is a folder; images that lie in `root` itself are a class each (AttnGAN numbers images without classes so),
    because the loss needs a wrong image of another class for every sentence. The test split is the names in
    `test_list` (one a line, relative to `root`, with or without extension), or the share `test_ratio` of the images,
    drawn by `seed`. Raises UserError: no such folder, no images, a listed name that is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Fix: point --folder at the images.")
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise UserError(f"{root}: no images in it ({', '.join(EXTENSIONS)}). Fix: point --folder at the images.")
    by_name = collections.defaultdict(list)
    for path in paths:
        by_name[path.relative_to(root).with_suffix("").as_posix()].append(path)
    test = _listed(Path(test_list), by_name) if test_list else _drawn(sorted(by_name), test_ratio, seed)
    classes = {name: name.rpartition("/")[0] or name for name in by_name}
    numbers = {class_name: number for number, class_name in enumerate(sorted(set(classes.values())), 1)}
    source = Source(
        root.resolve().name, str(root), [], {number: name for name, number in numbers.items()}, least_captions=1
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
        for folder in sorted(root.rglob("*"))
        if folder.is_dir()
        and not folder.name.startswith(".")
        and folder not in parents
        and not any(folder in parent.parents for parent in parents)
    ]
    return source


def _listed(path: Path, names: dict[str, list[Path]]) -> set[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--test_list={path}: missing or unreadable ({error}).") from None
    chosen = {line if line in names else line.rpartition(".")[0] for line in lines}
    if unknown := sorted(chosen - set(names)):
        raise UserError(
            f"--test_list={path}: {len(unknown)} names are not among the images, the first is "
            f"{unknown[0] or lines[0]!r}. Fix: write them relative to the folder."
        )
    return chosen


def _drawn(names: Sequence[str], ratio: float, seed: int) -> set[str]:
    """The `ratio` of the names whose hashes with the seed come first: the same on every machine and library."""
    order = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    return set(order[: round(ratio * len(order))])
