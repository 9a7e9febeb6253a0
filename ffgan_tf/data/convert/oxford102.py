"""Oxford-102 Flowers with ten captions an image, as published (docs/model.md section 8).

Classes 1–20 are the 1,155 test images and 21–102 the 7,034 training images: the labels alone give the split of the
paper's Table 1. `setid.mat`, which splits within the classes, is not used.
"""

import dataclasses
import http.client
import importlib.util
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ffgan_tf.data.convert.attngan_captions import read_pickled_captions
from ffgan_tf.data.convert.conversion import Item, Source
from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.data.problems import Problem
from ffgan_tf.data.records import SPLITS
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import LIMITS, check_file

LAST_TEST_CLASS = 20
PUBLISHER = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
SECONDS = 10  # for the publisher to answer
_LAYOUT = (
    "Fix: point --oxford at the folder that holds jpg/image_XXXXX.jpg, imagelabels.mat and "
    "text_c10/class_XXXXX/image_XXXXX.txt."
)


def read_labels(path: Path) -> dict[int, int]:
    """Image number (from 1) → class (1–102) from `imagelabels.mat` (`labels`, 1 × N). Raises UserError."""
    import scipy.io

    if not path.is_file():
        raise UserError(f"{path} is missing. {_LAYOUT}")
    check_file(path, LIMITS["text"], fix=_LAYOUT)
    try:
        labels = scipy.io.loadmat(path)["labels"].ravel()
        return {index: int(label) for index, label in enumerate(labels, 1)}
    except Exception as error:  # SciPy raises nearly anything on a file that is not MATLAB's
        raise UserError(f"{path}: not Oxford-102's label file ({error}). {_LAYOUT}") from None


def from_files(root: str | Path) -> Source:
    """Reads the published files under `root`. Images without a label and labels without an image are problems."""
    root = Path(root)
    labels = read_labels(root / "imagelabels.mat")
    _need_captions(root)
    images = {number: root / "jpg" / f"image_{number:05d}.jpg" for number in labels}
    source = _source(root, labels, images)
    known = set(images.values())
    source.problems += [
        Problem(str(path), "no label in imagelabels.mat", "remove the image, or use the label file it belongs to")
        for path in sorted((root / "jpg").glob("*.jpg"))
        if path not in known
    ]
    return source


def from_tfds(root: str | Path, data_dir: str | None, download: bool) -> Source:
    """Images and labels of tensorflow-datasets' `oxford_flowers102`, its three splits joined; captions under `root`.

    Nothing is downloaded unless `download`. Raises UserError if tfds does not have the data in `data_dir` (None: its
    own default), or cannot read or fetch it.
    """
    root = Path(root)
    _need_captions(root)
    try:
        if (
            importlib.util.find_spec("importlib_resources") is None
        ):  # tfds imports it late and does not name the package
            raise ImportError("tensorflow-datasets needs importlib_resources")
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"--source=tfds: {error}. Fix: pip install tensorflow-datasets importlib-resources, or use --source=files."
        ) from None
    try:
        builder = tfds.builder("oxford_flowers102", data_dir=data_dir)
        if not builder.info.splits:
            if not download:
                raise UserError(
                    f"{builder.data_dir}: tensorflow-datasets has no oxford_flowers102 there. Fix: set --tfds_dir,"
                    " let it be fetched with --download, or use --source=files."
                )
            _download(builder)
        labels, images = {}, {}
        for split in sorted(builder.info.splits):
            for example in builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}):
                file = example["file_name"].numpy().decode("utf-8")  # image_00001.jpg
                number = int(Path(file).stem.rpartition("_")[2])
                labels[number] = int(example["label"].numpy()) + 1  # tfds counts classes from 0
                images[number] = example["image"].numpy()
    except UserError:
        raise
    except Exception as error:  # tfds raises nearly anything on damaged data
        raise UserError(
            f"--tfds_dir={data_dir or 'its default'}: tensorflow-datasets cannot read oxford_flowers102 "
            f"({_first_line(error)}). Fix: remove that folder and fetch it again, or use --source=files."
        ) from error
    return _source(root, labels, images)


def _download(builder) -> None:
    """`download_and_prepare`, or a UserError if the publisher does not answer: tfds would try for minutes."""
    fix = (
        "Fix: try again where that address can be reached, or fetch 102flowers.tgz and imagelabels.mat from there and "
        "use --source=files."
    )
    try:
        with urllib.request.urlopen(urllib.request.Request(PUBLISHER, method="HEAD"), timeout=SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # an answer, if only a refusal of HEAD
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"--download: {PUBLISHER} does not answer ({_first_line(error)}). {fix}") from None
    try:
        builder.download_and_prepare()
    except Exception as error:  # a server's refusal, a checksum, a full disk
        raise UserError(f"--download: tensorflow-datasets failed ({_first_line(error)}). {fix}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300] or type(error).__name__


def use_pickled_captions(source: Source, root: str | Path, captions_pickle: str | Path) -> None:
    """Gives the source's images AttnGAN's vocabulary and token ids, in place of the converter's.

    `captions_pickle` is a flat list, ten captions an image in the order of `root`/{train,test}/filenames.pickle
    ("jpg/image_00001", or any path that ends in such a number). Images that are not listed become problems; captions
    are compared with the text files later. Raises UserError if a file is missing or the two do not fit.
    """
    root = Path(root)
    pickled = read_pickled_captions(captions_pickle)
    token_ids: dict[int, tuple[tuple[int, ...], ...]] = {}
    for split in SPLITS:
        path = root / split / "filenames.pickle"
        if not path.is_file():
            raise UserError(
                f"{path} is missing: it has the order of --captions_pickle={captions_pickle}. Fix: take both from the "
                "same publication."
            )
        names, notes = load_pickle(path)
        source.notes += notes
        try:
            numbers = [int(Path(name).stem.rpartition("_")[2]) for name in names]
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{path}: not a list of names like jpg/image_00001 ({error}). Fix: take it from the publication of "
                f"{captions_pickle}."
            ) from None
        token_ids |= zip(numbers, pickled.per_image(split, len(numbers)))
    source.vocabulary = pickled.vocabulary
    for index, item in enumerate(source.items):
        ids = token_ids.get(int(item.name.rpartition("_")[2]))
        fault = None
        if ids is None:
            fault = Problem(item.name, "not in filenames.pickle", "take both pickles from one publication")
        source.items[index] = dataclasses.replace(item, token_ids=ids, fault=item.fault or fault)


def _need_captions(root: Path) -> None:
    if not (root / "text_c10").is_dir():
        raise UserError(f"{root / 'text_c10'}: the captions are missing. {_LAYOUT}")


def _source(root: Path, labels: dict[int, int], images: Mapping[int, Path | bytes]) -> Source:
    items = [
        Item(
            split="test" if label <= LAST_TEST_CLASS else "train",
            name=f"class_{label:05d}/image_{number:05d}",
            image=images[number],
            class_id=label,
            captions=root / "text_c10" / f"class_{label:05d}" / f"image_{number:05d}.txt",
        )
        for number, label in sorted(labels.items())
    ]
    names = {label: f"class_{label:05d}" for label in labels.values()}
    empty = [
        Problem(str(folder), "a class without images", "add its images and labels, or remove the folder")
        for folder in sorted((root / "text_c10").iterdir())
        if folder.is_dir() and folder.name not in set(names.values())
    ]
    return Source("oxford102", str(root), items, names, empty)
