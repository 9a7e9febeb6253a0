"""AttnGAN's text encoder imported, against PyTorch's LSTM equations in NumPy (tests/parity has PyTorch itself)."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from attngan_files import write_captions, write_state_dict

from ffgan_tf.data.convert.attngan_captions import read_pickled_captions
from ffgan_tf.run.attngan_import import expected_shapes, import_text_encoder
from ffgan_tf.run.encoder_files import load_text_encoder
from ffgan_tf.utils.errors import UserError

WORDS = 23
ROOT = Path(__file__).resolve().parents[2]


def state_dict(words=WORDS, seed=0):
    random = np.random.default_rng(seed)
    return {name: random.uniform(-0.2, 0.2, shape).astype(np.float32) for name, shape in expected_shapes(words).items()}


@pytest.fixture
def files(tmp_path):
    write_state_dict(tmp_path / "text_encoder200.pth", state_dict())
    write_captions(tmp_path / "captions.pickle", WORDS)
    return tmp_path / "text_encoder200.pth", tmp_path / "captions.pickle"


def import_files(weights, captions):
    """(encoder, vocabulary), as the command has them."""
    vocabulary = read_pickled_captions(captions).vocabulary
    return import_text_encoder(weights, vocabulary, captions), vocabulary


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def torch_lstm(x, state, ending):
    """torch.nn.LSTM's documented equations over a sentence x (T, 300), gates i, f, g, o with two biases → (T, 128)."""
    w_i, w_h, b_i, b_h = (
        state[f"rnn.{name}_l0{ending}"].astype(np.float64) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    parts = [slice(k * 128, (k + 1) * 128) for k in range(4)]
    h, c, states = np.zeros(128), np.zeros(128), []
    for step in x:
        i, f, g, o = (w_i[part] @ step + b_i[part] + w_h[part] @ h + b_h[part] for part in parts)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


def test_words_and_sentence_are_those_of_the_weights(files):
    encoder, vocabulary = import_files(*files)
    assert vocabulary.words[:2] == ["<end>", "word1"] and len(vocabulary) == WORDS
    state, lengths = state_dict(), np.array([6, 1, 4])
    tokens = np.random.default_rng(1).integers(1, WORDS, (3, 6)).astype(np.int32)
    sentence, words = (output.numpy() for output in encoder(tokens, lengths))
    for b, length in enumerate(lengths):
        x = state["encoder.weight"][tokens[b, :length]].astype(np.float64)
        ahead, behind = torch_lstm(x, state, ""), torch_lstm(x[::-1], state, "_reverse")
        np.testing.assert_allclose(words[b, :length], np.concatenate([ahead, behind[::-1]], 1), rtol=0, atol=1e-5)
        np.testing.assert_allclose(sentence[b], np.concatenate([ahead[-1], behind[-1]]), rtol=0, atol=1e-5)
        assert not np.any(words[b, length:])


def run_tool(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "ffgan_tf.import_attngan_encoder", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_tool_s_folder_is_the_encoder(files, tmp_path):
    done = run_tool(*files, f"--out={tmp_path / 'encoder'}")
    assert done.returncode == 0, done.stderr
    loaded, vocabulary = load_text_encoder(tmp_path / "encoder")
    expected, own = import_files(*files)
    assert vocabulary.hash == own.hash
    for one, other in zip(loaded.get_weights(), expected.get_weights()):
        np.testing.assert_array_equal(one, other)
    again = run_tool(*files, f"--out={tmp_path / 'encoder'}")
    assert again.returncode == 2 and "there already" in again.stderr and "--overwrite" in again.stderr
    assert run_tool(*files, f"--out={tmp_path / 'encoder'}", "--overwrite").returncode == 0


def test_another_vocabulary_size(files):
    write_captions(files[1], WORDS + 4)
    with pytest.raises(UserError, match=r"text_encoder200.pth is an encoder of 23 words, .*captions.pickle has 27"):
        import_files(*files)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda state: state.pop("rnn.bias_hh_l0_reverse"), r"it lacks rnn.bias_hh_l0_reverse"),
        (lambda state: state.update({"rnn.weight_ih_l1": np.zeros((512, 256))}), r"it has rnn.weight_ih_l1"),
        (
            lambda state: state.update({"rnn.weight_hh_l0": np.zeros((512, 64))}),
            r"rnn.weight_hh_l0 has shape \[512, 64\], not \[512, 128\]",
        ),
        (lambda state: state["rnn.bias_ih_l0"].__setitem__(3, np.nan), r"rnn.bias_ih_l0 holds numbers .* not finite"),
    ],
)
def test_weights_that_are_not_this_encoder_s(files, change, message):
    state = state_dict()
    change(state)
    write_state_dict(files[0], state)
    with pytest.raises(UserError, match=rf"text_encoder200.pth.*{message}"):
        import_files(*files)


def test_a_truncated_file(files):
    whole = files[0].read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        files[0].write_bytes(whole[:length])
        with pytest.raises(UserError, match="text_encoder200.pth"):
            import_files(*files)
    files[0].unlink()
    with pytest.raises(UserError, match="text_encoder200.pth: no such file"):
        import_files(*files)
