"""DAMSM's trained encoders as folders: RUN/text_encoder and RUN/image_encoder of `train_damsm`.

Text encoder: `encoder.json`, `weights.npz`, `vocabulary.json`; `ffgan_tf.import_attngan_encoder` writes one, too, and
the GAN's `--text_encoder` reads it. Image encoder: `encoder.json`, `weights.npz`: the heads, and the small trunk.
Inception's weights stay in their own file; `encoder.json` holds its name and SHA-256.
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.image_encoder import (
    INCEPTION_SIZE,
    Heads,
    ImageEncoder,
    InceptionTrunk,
    SmallTrunk,
    inception_weights_path,
)
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import directory_atomic, sha256_file, write_json
from ffgan_tf.utils.reading import LIMITS, as_unreadable, check_file, read_json, read_npz

FORMAT = 1
TEXT, IMAGE = "text_encoder", "image_encoder"  # their folders in a run of train_damsm
ABOUT, WEIGHTS, VOCABULARY = "encoder.json", "weights.npz", "vocabulary.json"
TEXT_FIX = "Fix: create it with ffgan_tf.train_damsm or ffgan_tf.import_attngan_encoder."
IMAGE_FIX = "Fix: name the image_encoder folder of a run of ffgan_tf.train_damsm; resuming that run writes it again."


_FIELDS = {  # of `encoder.json`: types, and bounds of integers
    "weights_sha256": ((str,), 0, 0),
    "vocabulary_hash": ((str,), 0, 0),
    "text_encoder_sha256": ((str,), 0, 0),
    "trunk": ((str,), 0, 0),
    "inception_file": ((str,), 0, 0),
    "inception_sha256": ((str,), 0, 0),
    "made_by": ((dict,), 0, 0),
    "d": ((int,), 1, 65536),
    "image_size": ((int,), 8, 4096),
}


def weight_names(model: tf.keras.Model) -> list[str]:
    """Names of a model's variables in their order, without its own: `embedding/embeddings`, `region/kernel`, …"""
    return [variable.name.split(f"{model.name}/", 1)[-1].split(":")[0] for variable in model.variables]


def weights_of(model: tf.keras.Model) -> dict[str, np.ndarray]:
    """A model's weights by these names, as arrays."""
    named = {name: variable.numpy() for name, variable in zip(weight_names(model), model.variables)}
    assert len(named) == len(model.variables)
    return named


def _write(folder: Path, weights: dict[str, np.ndarray], about: dict) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **weights)
    (folder / WEIGHTS).write_bytes(buffer.getvalue())
    write_json(folder / ABOUT, {"format": FORMAT, **about, "weights_sha256": sha256_file(folder / WEIGHTS)})


def _about(folder: Path, what: str, fix: str) -> dict:
    """The content of `encoder.json`, after checking that it and the weights belong together."""
    if not (folder / ABOUT).is_file() or not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder}: not the folder of {what} ({ABOUT} or {WEIGHTS} is missing). {fix}")
    about = read_json(folder / ABOUT, fix=fix, what=f"that of {what}")
    check_file(folder / WEIGHTS, LIMITS["arrays"], fix=fix)
    for name, (kinds, low, high) in _FIELDS.items():
        value = about.get(name, None)
        wrong_size = type(value) is int and not low <= value <= high
        if name in about and (type(value) not in kinds or wrong_size):
            raise UserError(f"{folder / ABOUT}: {name} is {str(value)[:80]!r}, which is not that of {what}. {fix}")
    if about.get("format") != FORMAT:
        raise UserError(f"{folder / ABOUT} is not that of {what}. {fix}")
    with as_unreadable(folder / WEIGHTS, fix):
        digest = sha256_file(folder / WEIGHTS)
    if about.get("weights_sha256") != digest:
        raise UserError(f"{folder / WEIGHTS} is not as it was written (sha256). {fix}")
    return about


def _fill(folder: Path, models: dict[str, tf.keras.Model], what: str, fix: str) -> None:
    """Reads the weights into `models`, by the prefix of their names."""
    weights = read_npz(folder / WEIGHTS, fix=fix, digest=False)  # encoder.json has it
    try:
        for prefix, model in models.items():
            for name, variable in zip(weight_names(model), model.variables):
                variable.assign(weights[prefix + name])
    except (KeyError, ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError(f"{folder / WEIGHTS} does not fit {what} ({error}). {fix}") from None


def save_text_encoder(folder: str | Path, encoder: TextEncoder, vocabulary: Vocabulary, made_by: dict) -> None:
    """Writes the encoder's folder, atomically, replacing an older one. `made_by` records the origin of the weights."""
    with directory_atomic(folder, replace=True) as temporary:
        vocabulary.save(temporary / VOCABULARY)
        _write(
            temporary,
            weights_of(encoder),
            {"words": len(vocabulary), "vocabulary_hash": vocabulary.hash, "d": encoder.d, "made_by": made_by},
        )


def load_text_encoder(folder: str | Path) -> tuple[TextEncoder, Vocabulary]:
    """Reads an encoder's folder. Raises UserError naming the file that is missing or damaged or does not fit."""
    folder = Path(folder)
    about = _about(folder, "a text encoder", TEXT_FIX)
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    if about.get("vocabulary_hash") != vocabulary.hash:
        raise UserError(f"{folder / ABOUT} does not fit {folder / VOCABULARY}. {TEXT_FIX}")
    encoder = build.build_text_encoder(len(vocabulary))
    _fill(folder, {"": encoder}, f"a text encoder of {len(vocabulary):,} words", TEXT_FIX)
    return encoder, vocabulary


def save_image_encoder(
    folder: str | Path, heads: Heads, trunk: SmallTrunk | InceptionTrunk, text_encoder: str | Path, made_by: dict
) -> None:
    """Writes the image encoder's folder, atomically, replacing an older one; `text_encoder` is the folder of the
    text encoder trained with it."""
    text = json.loads((Path(text_encoder) / ABOUT).read_text(encoding="utf-8"))
    models = {"heads/": heads}
    if isinstance(trunk, SmallTrunk):
        models["trunk/"] = trunk
        kind = {"trunk": "small", "image_size": trunk.image_size}
    else:
        kind = {
            "trunk": "inception",
            "image_size": INCEPTION_SIZE,
            "inception_file": trunk.weights_file,
            "inception_sha256": trunk.weights_sha256,
        }
    with directory_atomic(folder, replace=True) as temporary:
        _write(
            temporary,
            {prefix + name: value for prefix, model in models.items() for name, value in weights_of(model).items()},
            {
                **kind,
                "d": heads.code.units,
                "vocabulary_hash": text["vocabulary_hash"],
                "text_encoder_sha256": text["weights_sha256"],
                "made_by": made_by,
            },
        )


def trained_together(text_encoder: str | Path, image_encoder: str | Path) -> bool:
    """Whether the two folders hold whole encoders that were trained together and saved at the same step."""
    try:
        text, image = _about(Path(text_encoder), "", ""), _about(Path(image_encoder), "", "")
    except UserError:
        return False
    return image.get("text_encoder_sha256") == text["weights_sha256"]


def load_image_encoder(
    folder: str | Path, inception_weights: str = "", flag: str = "--damsm_trunk_weights"
) -> ImageEncoder:
    """Reads an image encoder's folder: frozen, differentiable with respect to the images.

    `inception_weights` is the file of the Inception trunk that it was trained on ("": the one in Keras's cache); the
    small trunk needs none. `flag` is the flag that named it, for messages. Raises UserError where a file is missing,
    damaged, or another trunk's.
    """
    folder = Path(folder)
    about = _about(folder, "an image encoder", IMAGE_FIX)
    needed = {
        "trunk",
        "image_size",
        "d",
        *(("inception_file", "inception_sha256") if about.get("trunk") == "inception" else ()),
    }
    if about.get("trunk") not in ("small", "inception") or not needed <= about.keys():
        raise UserError(f"{folder / ABOUT} is not that of an image encoder. {IMAGE_FIX}")
    with build.precision_scope("float32"):
        heads = Heads(about["d"], name="heads")
        trunk: SmallTrunk | InceptionTrunk
        if about["trunk"] == "small":
            trunk = SmallTrunk(about["image_size"], name="trunk")
        else:
            path, wanted = inception_weights_path(inception_weights or "imagenet", flag), about["inception_sha256"]
            if (digest := sha256_file(path)) != wanted:
                raise UserError(
                    f"{path}: not the Inception weights that the image encoder in {folder} was trained on, "
                    f"which were {about['inception_file']} (SHA-256 {digest[:12]}…, wanted {wanted[:12]}…). "
                    f"Fix: name that file with {flag}=PATH."
                )
            trunk = InceptionTrunk(path)
        heads(*trunk(tf.zeros([1, about["image_size"], about["image_size"], 3])))
    models: dict[str, Any] = {"heads/": heads} | ({"trunk/": trunk} if about["trunk"] == "small" else {})
    _fill(folder, models, "this image encoder", IMAGE_FIX)
    for model in models.values():
        model.trainable = False
    return ImageEncoder(heads, trunk, about)
