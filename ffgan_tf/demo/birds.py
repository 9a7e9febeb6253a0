"""Writes the demo data set: rendered birds in CUB's published layout, with their parameters and colours.

    CUB_200_2011/{images/<class>/<img>.jpg, images.txt, bounding_boxes.txt, classes.txt, image_class_labels.txt}
    text/<class>/<img>.txt                       ten captions, one a line
    {train,test}/{filenames,class_info}.pickle   as Python 2 wrote them
    rendered.json                                every parameter of every image, and the claims of its captions
    colours.csv                                  image,class,colour: the body's colour

The same seed gives the same bytes under one version of NumPy and Pillow (JPEG encoders differ between versions).
"""

import dataclasses
import functools
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from ffgan_tf.demo import captions as demo_captions
from ffgan_tf.demo import rendering as demo_rendering
from ffgan_tf.demo.geometry import PALETTE
from ffgan_tf.demo.species import FAMILIES, Scene, Species, choose_scene, choose_species
from ffgan_tf.utils.errors import UserError, report_write_errors
from ffgan_tf.utils.files import directory_atomic
from ffgan_tf.utils.progress import Progress

_JPEG_QUALITY = 92


def render_scene(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """→ image uint8 [H,W,3] and the bird's cover float32 [H,W]."""
    backdrop = demo_rendering.background(
        np.random.default_rng([*scene.seed, 1]), scene.background, (scene.width, scene.height)
    )
    return demo_rendering.render(scene.bird, backdrop, scene.scale, scene.centre, scene.mirrored, scene.seed)


def _make_image(job: tuple[int, Species, int], root: str, seed: int) -> dict:
    """Writes one image and its captions under `root`; → its entry in rendered.json."""
    image_id, species, number = job
    image_seed = (seed, 2, species.class_id, number)
    scene = choose_scene(species, image_seed)
    image, alpha = render_scene(scene)
    name = f"{species.folder}/{species.name}_{number:04d}_{image_id:06d}"
    Image.fromarray(image).save(Path(root, "CUB_200_2011/images", f"{name}.jpg"), quality=_JPEG_QUALITY)
    sentences = demo_captions.captions(scene.bird, FAMILIES[species.family].size, (*image_seed, 3))
    lines = "".join(f"{text}\n" for text, _ in sentences)
    Path(root, "text", f"{name}.txt").write_text(lines, encoding="ascii", newline="\n")
    return {
        "image_id": image_id,
        "name": name,
        "class_id": species.class_id,
        "split": species.split,
        "body_colour": species.body,
        "box": demo_rendering.bounding_box(alpha),
        "scene": dataclasses.asdict(scene),
        "captions": [{"text": text, "claims": claims} for text, claims in sentences],
    }


def python2_pickle(values: list) -> bytes:
    """A list of str or int as Python 2's `pickle.dump(values, file)` wrote it (protocol 0).

    CUB's published pickles hold Python 2's byte strings, which Python 3's pickle cannot write.
    """
    items = (f"I{value}\na" if isinstance(value, int) else f"S{value!r}\np{k}\na" for k, value in enumerate(values, 1))
    return f"(lp0\n{''.join(items)}.".encode("ascii")


def _write_tables(root: Path, species: list[Species], images: list[dict], seed: int) -> None:
    """Writes all files but the images and their captions."""
    cub = root / "CUB_200_2011"
    tables = {
        "classes.txt": [f"{s.class_id} {s.folder}" for s in species],
        "images.txt": [f"{i['image_id']} {i['name']}.jpg" for i in images],
        "image_class_labels.txt": [f"{i['image_id']} {i['class_id']}" for i in images],
        "bounding_boxes.txt": [" ".join([str(i["image_id"]), *(f"{v:.1f}" for v in i["box"])]) for i in images],
    }
    for name, lines in tables.items():
        (cub / name).write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")
    for split in ("train", "test"):
        chosen = [i for i in images if i["split"] == split]
        (root / split).mkdir()
        (root / split / "filenames.pickle").write_bytes(python2_pickle([i["name"] for i in chosen]))
        (root / split / "class_info.pickle").write_bytes(python2_pickle([i["class_id"] for i in chosen]))
    rows = ["image,class,colour", *(f"{i['name']},{i['class_id']},{i['body_colour']}" for i in images)]
    (root / "colours.csv").write_text("\n".join(rows) + "\n", encoding="ascii", newline="\n")
    rendered = {
        "seed": seed,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "palette": PALETTE,
        "species": [dataclasses.asdict(s) for s in species],
    }
    with open(root / "rendered.json", "w", encoding="ascii", newline="\n") as file:  # one image a line, for grep
        entries = ",\n".join(json.dumps(i) for i in images)
        file.write(f'{json.dumps(rendered)[:-1]},\n"images": [\n{entries}\n]}}\n')


def make_demo_dataset(
    out: str | os.PathLike,
    seed: int,
    train_classes: int,
    test_classes: int,
    images_per_class: int,
    overwrite: bool = False,
    workers: int | None = None,
) -> dict[str, int]:
    """Renders the data set into the new directory `out`. → counts {"train": images, "test": images}.

    `workers`: processes, by default one a core. `overwrite` replaces an older demo data set and nothing else.
    Raises UserError if `out` exists and must not be replaced.
    """
    out = Path(out)
    if os.path.lexists(out) and not (overwrite and (out / "rendered.json").is_file()):
        raise UserError(
            f"--out={out} exists"
            + (
                " and is not a demo data set (it has no rendered.json), so --overwrite does not replace it. "
                "Fix: name a new folder."
                if overwrite
                else ". Fix: name a new folder, or add --overwrite to replace it."
            )
        )
    species = choose_species(seed, train_classes, test_classes)
    jobs = [(k * images_per_class + n, s, n) for k, s in enumerate(species) for n in range(1, images_per_class + 1)]
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    with (
        report_write_errors(f"--out={out}"),
        directory_atomic(out, replace=overwrite, exclusive=True) as root,
    ):
        for kind in ("CUB_200_2011/images", "text"):
            for s in species:
                (root / kind / s.folder).mkdir(parents=True)
        make = functools.partial(_make_image, root=str(root), seed=seed)
        progress, images = Progress("rendering birds", len(jobs), "images"), []
        # Spawned, because forking is unsafe while the caller runs threads.
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for image in pool.imap(make, jobs, chunksize=8):
                images.append(image)
                progress.update(len(images))
        progress.close()
        _write_tables(root, species, images, seed)
    return {split: sum(i["split"] == split for i in images) for split in ("train", "test")}
