"""Models in rows, sentences in columns: the paper's Fig. 6 and 7."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ffgan_tf.data.images import to_rgb
from ffgan_tf.evaluation.images import EXTENSIONS, read_image
from ffgan_tf.run.model_file import ENDING
from ffgan_tf.run.source import MODEL, is_shipped
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import expand_home
from ffgan_tf.utils.reading import read_text
from ffgan_tf.visuals.canvas import table, tile_side
from ffgan_tf.visuals.sentences import Caption


class Row(NamedTuple):
    """One model's images of the sentences: any size, uint8 (H, W, 3), or None if it has none."""

    name: str
    images: list[np.ndarray | None]


def parse_model(text: str) -> tuple[str, Path]:
    """`DF-GAN=results/dfgan` → ("DF-GAN", path); without a name, the folder's own. UserError names --model."""
    name, equals, folder = text.partition("=")
    path = expand_home(folder if equals else name)
    if not (folder if equals else name) or not (path.is_dir() or is_run(path)):
        raise UserError(
            f"--model={text}: no such folder. Fix: --model=DIR or --model=NAME=DIR, DIR a run, or a folder of images."
        )
    return (name if equals else path.stem if path.suffix == ENDING else path.name), path


def is_run(path: Path) -> bool:
    """Whether a path is a run of ours (it has settings), a model file or a shipped model's name, not a folder of
    images."""
    return (path / "config.json").is_file() or path.is_file() or (path / MODEL).is_file() or is_shipped(path)


def slug(text: str) -> str:
    """Lower-case letters and digits with hyphens between, as in file names made from sentences."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def image_files(folder: Path) -> list[Path]:
    """All images below a folder, sorted by path. Raises UserError if there is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    if not paths:
        raise UserError(f"--model={folder}: neither a run nor a folder with images. Fix: a folder that has images.")
    return paths


def match_by_name(paths: Sequence[Path], caption: Caption) -> Path | None:
    """Another project's file for a caption: the first whose name contains the image's name, or the sentence's words;
    None if there is none.

    `001.Auk/Auk_12` matches `001.Auk/Auk_12.png`, `Auk_12_s0_g2.png` and `001.Auk_Auk_12-1.png`, but not
    `Auk_123.png`. A sentence of your own ("a red bird") matches `03-a-red-bird-1.png`.
    """
    wanted = [slug(caption.image), slug(caption.image.rpartition("/")[2])] if caption.image else []
    wanted.append(slug(caption.text)[:60].strip("-"))
    for name in wanted:
        for path in paths:
            spelled = slug("/".join([*path.parts[-2:-1], path.stem]))
            if name and re.search(rf"(?:^|-){re.escape(name)}(?:-|$)", spelled):
                return path
    return None


def read_list(file: Path, folder: Path, captions: Sequence[Caption]) -> list[Path | None]:
    """The files of a list for each caption. Its lines: `FILE<tab>SENTENCE or IMAGE NAME`, or `FILE` alone for each
    sentence in order; files relative to `folder`. Raises UserError, which names the list and the line."""
    lines = [line for line in read_text(file, "--list").split("\n") if line.strip()]
    named, plain = {}, []
    for number, line in enumerate(lines, 1):
        name, tab, key = line.partition("\t")
        path = folder / name.strip()
        if not path.is_file():
            raise UserError(f"--list={file}: line {number}: {path} is no file. Fix: paths relative to {folder}.")
        if tab:
            named[key.strip()] = path
        else:
            plain.append(path)
    if named and plain:
        raise UserError(f"--list={file}: some lines have a tab and a sentence, others not. Fix: all, or none.")
    if plain:
        if len(plain) != len(captions):
            raise UserError(
                f"--list={file}: {len(plain)} files for {len(captions)} sentences. Fix: a line for each sentence, in "
                "their order, or lines of FILE<tab>SENTENCE."
            )
        return list(plain)
    return [named.get(caption.text) or named.get(caption.image) for caption in captions]


def folder_row(name: str, folder: Path, captions: Sequence[Caption], list_file: Path | None = None) -> Row:
    """A folder of another project's images as a row. Raises UserError if no file fits any sentence."""
    if list_file:
        paths = read_list(list_file, folder, captions)
    else:
        files = image_files(folder)
        paths = [match_by_name(files, caption) for caption in captions]
    if not any(paths):
        wanted = captions[0].image or captions[0].text
        raise UserError(
            f"--model={name}={folder}: no file of it fits a sentence (looked for {wanted!r} in the names). "
            f"Fix: --list={name}=FILE with lines of FILE<tab>SENTENCE."
        )
    return Row(name, [read_image(path) if path else None for path in paths])


def square(image: np.ndarray, size: int) -> np.ndarray:
    """The middle square of an image (H, W, 3) uint8 at size×size."""
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    cut = to_rgb(Image.fromarray(image[top : top + side, left : left + side]))[0]
    return np.asarray(cut if side == size else cut.resize((size, size), Image.Resampling.LANCZOS))


def compare_sheet(rows: Sequence[Row], captions: Sequence[Caption], note: str = "") -> np.ndarray:
    """A row a model, a column a sentence; (H, W, 3) uint8. All images at the height of the largest."""
    sizes = [min(image.shape[:2]) for row in rows for image in row.images if image is not None]
    side = tile_side(min(max(sizes), 256), 160)
    return table(
        [[None if image is None else square(image, min(image.shape[:2])) for image in row.images] for row in rows],
        side=side,
        note=note,
        rows=[row.name for row in rows],
        columns=[caption.text for caption in captions],
    )
