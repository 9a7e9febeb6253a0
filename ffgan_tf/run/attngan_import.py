"""AttnGAN's released text encoder (`text_encoder200.pth`, `captions.pickle`) as ours, without PyTorch."""

from pathlib import Path

import numpy as np

from ffgan_tf.data.captions import Vocabulary
from ffgan_tf.models import build
from ffgan_tf.models.text_encoder import EMBEDDING, TextEncoder
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.torch_files import load_state_dict

DIRECTIONS = {"": "forward", "_reverse": "backward"}  # ending of PyTorch's names → our layer
FIX = "Fix: name the text_encoder*.pth of AttnGAN's RNN_ENCODER (one bidirectional LSTM, 128 units a direction)."


def expected_shapes(words: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes in the state dict of an RNN_ENCODER of `words` words (docs/model.md section 8)."""
    units = build.TEXT_DIM // 2
    shapes: dict[str, tuple[int, ...]] = {"encoder.weight": (words, EMBEDDING)}
    for ending in DIRECTIONS:
        shapes |= {
            f"rnn.weight_ih_l0{ending}": (4 * units, EMBEDDING),
            f"rnn.weight_hh_l0{ending}": (4 * units, units),
            f"rnn.bias_ih_l0{ending}": (4 * units,),
            f"rnn.bias_hh_l0{ending}": (4 * units,),
        }
    return shapes


def check_state(state: dict[str, np.ndarray], path: str | Path, words: int, vocabulary_path: str | Path) -> None:
    """Raises UserError, naming `path`, unless the state dict is an RNN_ENCODER's of `words` words."""
    shapes = expected_shapes(words)
    missing, foreign = sorted(shapes.keys() - state.keys()), sorted(state.keys() - shapes.keys())
    if missing or foreign:
        parts = [
            f"{what} {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
            for what, names in (("it lacks", missing), ("it has", foreign))
            if names
        ]
        raise UserError(f"{path}: not the weights of AttnGAN's text encoder: {'; '.join(parts)}. {FIX}")
    table = state["encoder.weight"]
    if table.ndim == 2 and table.shape[1] == EMBEDDING and len(table) != words:
        raise UserError(
            f"{path} is an encoder of {len(table):,} words, {vocabulary_path} has {words:,}: token ids "
            "would stand for other words. Fix: name the captions.pickle that came with these weights; a "
            "newly built vocabulary does not fit them."
        )
    for name, shape in shapes.items():
        value = state[name]
        if value.shape != shape:
            raise UserError(f"{path}: {name} has shape {list(value.shape)}, not {list(shape)}. {FIX}")
        if not np.issubdtype(value.dtype, np.floating) or not np.all(np.isfinite(value)):
            raise UserError(f"{path}: {name} holds numbers that are not finite floats; the file is damaged. {FIX}")


def import_text_encoder(weights_path: str | Path, vocabulary: Vocabulary, vocabulary_path: str | Path) -> TextEncoder:
    """The text encoder of the weights file. Raises UserError where the file is missing, damaged or not AttnGAN's.

    `vocabulary` is the one that came with the weights, read from `vocabulary_path`; another size is an error.

    Both libraries order the gates alike (PyTorch: i, f, g, o; Keras: i, f, c, o); PyTorch adds two biases, Keras one.
    """
    state = load_state_dict(str(weights_path))
    check_state(state, weights_path, len(vocabulary), vocabulary_path)
    encoder = build.build_text_encoder(len(vocabulary))
    encoder.embedding.set_weights([state["encoder.weight"]])
    for ending, layer in DIRECTIONS.items():
        getattr(encoder, layer).set_weights(
            [
                state[f"rnn.weight_ih_l0{ending}"].T,
                state[f"rnn.weight_hh_l0{ending}"].T,
                state[f"rnn.bias_ih_l0{ending}"] + state[f"rnn.bias_hh_l0{ending}"],
            ]
        )
    return encoder
