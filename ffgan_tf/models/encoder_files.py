"""A trained text encoder as a folder: `encoder.json`, `weights.npz`, `vocabulary.json`.

What `train_damsm` and `tools/import_attngan_encoder.py` write and the GAN's `--text_encoder` reads.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.text_encoder import TextEncoder
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.files import directory_atomic, sha256_file, write_json

FORMAT = 1
MEND = "Mend: make it with ffgan_tf.train_damsm or tools/import_attngan_encoder.py."


def weight_names(encoder: TextEncoder) -> list[str]:
    """Names of the encoder's variables in their order: `embedding/embeddings`, `forward/lstm_cell/kernel`, …"""
    return [variable.name.split("text_encoder/", 1)[-1].split(":")[0] for variable in encoder.variables]


def save_text_encoder(folder: str | Path, encoder: TextEncoder, vocabulary: Vocabulary, made_by: dict) -> None:
    """Writes the encoder's folder, atomically, replacing an older one. `made_by` says where the weights come from."""
    with directory_atomic(folder, replace=True) as temporary:
        buffer = io.BytesIO()
        np.savez(buffer, **{name: variable.numpy() for name, variable in zip(weight_names(encoder), encoder.variables)})
        (temporary / "weights.npz").write_bytes(buffer.getvalue())
        vocabulary.save(temporary / "vocabulary.json")
        write_json(temporary / "encoder.json", {
            "format": FORMAT, "words": len(vocabulary), "vocabulary_hash": vocabulary.hash, "d": encoder.d,
            "weights_sha256": sha256_file(temporary / "weights.npz"), "made_by": made_by})


def load_text_encoder(folder: str | Path) -> tuple[TextEncoder, Vocabulary]:
    """Reads an encoder's folder. Raises UserError naming the file that is missing, damaged or does not fit."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        digest = sha256_file(folder / "weights.npz")
    except (OSError, ValueError) as error:
        raise UserError(f"--text_encoder={folder}: not the folder of a text encoder ({error}). {MEND}") from None
    vocabulary = Vocabulary.load(folder / "vocabulary.json")
    if about.get("format") != FORMAT or about.get("vocabulary_hash") != vocabulary.hash:
        raise UserError(f"{folder / 'encoder.json'} does not fit {folder / 'vocabulary.json'}. {MEND}")
    if about.get("weights_sha256") != digest:
        raise UserError(f"{folder / 'weights.npz'} is not as it was written (sha256). {MEND}")
    encoder = build.build_text_encoder(len(vocabulary))
    try:
        with np.load(folder / "weights.npz", allow_pickle=False) as weights:
            for name, variable in zip(weight_names(encoder), encoder.variables):
                variable.assign(weights[name])
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder / 'weights.npz'} does not fit a text encoder of {len(vocabulary):,} words ({error}). "
                        f"{MEND}") from None
    return encoder, vocabulary
