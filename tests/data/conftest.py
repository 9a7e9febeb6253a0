"""Tiny data sets in the published layouts, made afresh for each test."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image


def photograph(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    """A smooth random RGB image, saved in the format of the path's extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path)


def ten_captions(path: Path, seed: int) -> None:
    """Ten captions, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"this bird number {seed} has wing {i}\n" for i in range(10)), encoding="utf-8")


@pytest.fixture
def tiny_cub(tmp_path: Path) -> Path:
    """Two training classes and one test class of two images each, in CUB's layout."""
    root = tmp_path / "birds"
    cub = root / "CUB_200_2011"
    images, boxes, number = [], [], 0
    for split, classes in (("train", ("001.Auk", "003.Crow")), ("test", ("002.Finch",))):
        names = [f"{name}/{name[4:]}_{i:04d}" for name in classes for i in (1, 2)]
        for name in names:
            number += 1
            photograph(cub / "images" / f"{name}.jpg", number)
            ten_captions(root / "text" / f"{name}.txt", number)
            images.append(f"{number} {name}.jpg\n")
            boxes.append(f"{number} 10.0 5.0 20.0 16.0\n")
        (root / split).mkdir()
        (root / split / "filenames.pickle").write_bytes(pickle.dumps(names, protocol=0))
        (root / split / "class_info.pickle").write_bytes(pickle.dumps([int(name[:3]) for name in names], protocol=0))
    (cub / "images.txt").write_text("".join(images))
    (cub / "bounding_boxes.txt").write_text("".join(boxes))
    return root


@pytest.fixture
def tiny_oxford(tmp_path: Path) -> Path:
    """Six images of the classes 1, 20 (test), 21 and 102 (training), in Oxford-102's layout."""
    root = tmp_path / "flowers"
    labels = [21, 1, 102, 20, 21, 1]
    for number, label in enumerate(labels, 1):
        photograph(root / "jpg" / f"image_{number:05d}.jpg", number)
        ten_captions(root / "text_c10" / f"class_{label:05d}" / f"image_{number:05d}.txt", number)
    scipy.io.savemat(root / "imagelabels.mat", {"labels": np.array([labels], np.uint8)})
    return root


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """Five images in two classes with one or two captions each, in no published layout."""
    root = tmp_path / "pictures"
    for number, name in enumerate(("red/a.jpg", "red/b.png", "blue/c.jpg", "blue/d.jpg", "blue/e.jpg")):
        photograph(root / name, number)
        (root / name).with_suffix(".txt").write_text(f"image {number}\n" + "a second line\n" * (number % 2))
    return root
