"""AttnGAN's RNN_ENCODER in PyTorch, saved by PyTorch in both of its forms, imported: the same words and sentence."""

import numpy as np
import pytest
import torch
from attngan_files import write_captions

from ffgan_tf.data.convert.attngan_captions import read_pickled_captions
from ffgan_tf.run.attngan_import import import_text_encoder

WORDS = 450


class RnnEncoder(torch.nn.Module):
    """AttnGAN's RNN_ENCODER with its settings for birds, in evaluation mode; parameter names as published."""

    def __init__(self, words: int):
        super().__init__()
        self.encoder = torch.nn.Embedding(words, 300)
        self.rnn = torch.nn.LSTM(300, 128, 1, batch_first=True, bidirectional=True)
        self.encoder.weight.data.uniform_(-0.1, 0.1)

    def forward(self, tokens, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(self.encoder(tokens), lengths, batch_first=True)
        output, (state, _) = self.rnn(packed)
        words = torch.nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=tokens.shape[1])[0]
        return state.transpose(0, 1).reshape(len(tokens), 256), words


@pytest.mark.parametrize("form, options", [("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})])
def test_words_and_sentence(form, options, tmp_path, hold):
    torch.manual_seed(20)
    reference = RnnEncoder(WORDS).eval()
    weights, captions = tmp_path / "text_encoder200.pth", tmp_path / "captions.pickle"
    torch.save(reference.state_dict(), weights, **options)
    write_captions(captions, WORDS)
    encoder = import_text_encoder(weights, read_pickled_captions(captions).vocabulary, captions)

    lengths = np.array([18, 11, 7, 3, 2, 1])  # PyTorch packs longest first
    tokens = np.random.default_rng(4).integers(1, WORDS, (6, 18))
    tokens[np.arange(18) >= lengths[:, None]] = 0
    with torch.no_grad():
        expected = [value.numpy() for value in reference(torch.tensor(tokens), lengths.tolist())]
    sentence, words = (value.numpy() for value in encoder(tokens.astype(np.int32), lengths.astype(np.int32)))
    name = f"PyTorch RNN_ENCODER, {form} file"
    for item, value, reference_value in (("sentence", sentence, expected[0]), ("words", words, expected[1])):
        difference = np.abs(value - reference_value).max() / np.abs(reference_value).max()
        hold(name, item, "float32", float(difference), 1e-5)
    hold(name, "padding", "float32", float(np.abs(words[tokens == 0]).max()), 0)
