"""Text encoder φ against a loop over the words of one sentence at a time."""

import numpy as np
import numpy_reference as ref
import pytest
import tensorflow as tf

from ffgan_tf.models import build
from ffgan_tf.models.text_encoder import DROPOUT, EMBEDDING, TextEncoder

LENGTHS = np.array([5, 1, 7, 3], np.int32)
WORDS = 30


def tokens_of(lengths, width, seed=0):
    tokens = np.random.default_rng(seed).integers(1, WORDS, (len(lengths), width)).astype(np.int32)
    return np.where(np.arange(width) < lengths[:, None], tokens, 0)


@pytest.fixture(scope="module")
def small():
    model = TextEncoder(WORDS, d=8, init_range=1.0, seed=3, dtype="float64")
    model(np.zeros((1, 2), np.int32), np.ones(1, np.int32))
    return model


def test_equals_the_loop_for_ragged_lengths(small):
    tokens = tokens_of(LENGTHS, 7)
    s, e = small(tokens, LENGTHS)
    expected_s, expected_e = ref.text_encoder(tokens, LENGTHS, small)
    assert s.dtype == e.dtype == tf.float64
    np.testing.assert_allclose(s, expected_s, rtol=0, atol=1e-10)
    np.testing.assert_allclose(e, expected_e, rtol=0, atol=1e-10)


def test_sentence_is_the_last_states_and_padding_is_zero(small):
    s, e = (output.numpy() for output in small(tokens_of(LENGTHS, 7), LENGTHS))
    for b, length in enumerate(LENGTHS):
        assert not np.any(e[b, length:])
        assert np.all(np.any(e[b, :length], axis=-1))
        np.testing.assert_array_equal(s[b, :4], e[b, length - 1, :4])  # forward: at the last word
        np.testing.assert_array_equal(s[b, 4:], e[b, 0, 4:])  # backward: at the first


def test_more_padding_changes_nothing(small):
    tokens = tokens_of(LENGTHS, 7)
    s, e = small(tokens, LENGTHS)
    more = np.pad(tokens, [(0, 0), (0, 11)])
    more_s, more_e = small(more, LENGTHS)
    np.testing.assert_allclose(more_s, s, rtol=0, atol=1e-14)
    np.testing.assert_allclose(more_e[:, :7], e, rtol=0, atol=1e-14)
    # Nor does what stands there.
    more[np.arange(18) >= LENGTHS[:, None]] = 9
    np.testing.assert_allclose(small(more, LENGTHS)[0], s, rtol=0, atol=1e-14)


def test_full_size_in_float32():
    model = build.build_text_encoder(WORDS, seed=1)
    tokens = tokens_of(LENGTHS, 7)
    s, e = model(tokens, LENGTHS)
    assert s.shape == (4, 256) and e.shape == (4, 7, 256) and s.dtype == e.dtype == tf.float32
    expected_s, expected_e = ref.text_encoder(tokens, LENGTHS, model)
    np.testing.assert_allclose(s, expected_s, rtol=0, atol=1e-5)
    np.testing.assert_allclose(e, expected_e, rtol=0, atol=1e-5)
    # Embedding, and two directions of four gates from 300 inputs and 128 states, one bias each.
    count = WORDS * 300 + 2 * (300 * 512 + 128 * 512 + 512)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == count


def test_float32_under_mixed_precision():
    with build.precision_scope("mixed_bfloat16"):
        model = build.build_text_encoder(WORDS, seed=1)
        s, e = model(tokens_of(LENGTHS, 7), LENGTHS)
    assert s.dtype == e.dtype == tf.float32
    np.testing.assert_allclose(s, ref.text_encoder(tokens_of(LENGTHS, 7), LENGTHS, model)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("init_range", [0.1, 1.0])
def test_embeddings_start_uniform(init_range):
    table = build.build_text_encoder(2000, init_range, seed=2).embedding.embeddings.numpy()
    assert table.shape == (2000, EMBEDDING) == (2000, 300)
    assert np.abs(table).max() <= init_range
    # U(−r, r): variance r²/3; 600,000 draws put its sample within 0.6 % at five standard errors.
    assert table.var() == pytest.approx(init_range**2 / 3, rel=0.006)
    assert np.histogram(table, 4, (-init_range, init_range))[0] / table.size == pytest.approx(0.25, abs=0.003)


def test_weights_are_a_function_of_the_seed():
    one, again, other = (build.build_text_encoder(WORDS, 0.1, seed).get_weights() for seed in (7, 7, 8))
    for a, b, c in zip(one, again, other):
        np.testing.assert_array_equal(a, b)
        assert np.all(np.any(a != c))
    # No two of its weights start from the same numbers, as they would with one seed for all.
    firsts = [weight.ravel()[:4] / np.abs(weight).max() for weight in one]
    assert all(np.abs(a - b).max() > 1e-3 for i, a in enumerate(firsts) for b in firsts[:i])


def test_dropout_is_on_in_training_only(small):
    tokens = tokens_of(LENGTHS, 7)
    assert DROPOUT == 0.5
    np.testing.assert_array_equal(small(tokens, LENGTHS)[0], small(tokens, LENGTHS)[0])
    assert np.abs(small(tokens, LENGTHS, training=True)[0] - small(tokens, LENGTHS, training=True)[0]).max() > 1e-3
    dropped = small.dropout(np.ones((4, 7, 300)), training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert np.mean(dropped == 0) == pytest.approx(0.5, abs=0.03)


def test_the_forget_bias_makes_the_first_word_remembered():
    """With gates that never forget, the first of twelve words still shows in both directions' last states; with gates
    that admit, or show, everything it does not. All other gates' biases stay as they are drawn."""
    plain, keeping = (build.build_text_encoder(WORDS, 1.0, 3, bias) for bias in (0.0, 20.0))
    tokens = np.random.default_rng(1).integers(1, WORDS, (1, 12)).astype(np.int32)
    first, last = tokens.copy(), tokens.copy()
    first[0, 0], last[0, -1] = tokens[0, 0] % (WORDS - 1) + 1, tokens[0, -1] % (WORDS - 1) + 1
    shares = []
    for model in (plain, keeping):
        sentence, of_first, of_last = (model(each, [12])[0].numpy()[0] for each in (tokens, first, last))
        ahead, behind = (
            slice(128),
            slice(128, None),
        )  # the first word is furthest from the one's end, the last from the other's
        shares.append(
            [np.abs(of_first - sentence)[ahead].mean(), np.abs(of_last - sentence)[behind].mean()],
        )
    assert min(shares[1]) > 0.05 > 20 * max(shares[0]), shares
    for one, other in zip((plain.forward, plain.backward), (keeping.forward, keeping.backward)):
        moved = (other.cell.bias - one.cell.bias).numpy().reshape(4, 128)  # i, f, c, o
        np.testing.assert_allclose(moved, np.array([0, 20, 0, 0])[:, None] * np.ones(128), atol=1e-5)


def test_on_a_cpu_the_loops_are_keras_s_lstm_bit_for_bit_without_its_graph_for_a_gpu():
    model = build.build_text_encoder(WORDS, seed=1)
    x = tf.constant(np.random.default_rng(0).normal(size=(4, 7, EMBEDDING)).astype(np.float32))
    mask = tf.sequence_mask(LENGTHS, 7)

    def found(layer):
        """Sequence, states, gradients; the graph, with the functions that it calls, as text."""

        @tf.function
        def run():
            with tf.GradientTape() as tape:
                outputs = layer(x, mask=mask)
                loss = sum(tf.reduce_sum(output**2) for output in outputs)
            return *outputs, *tape.gradient(loss, layer.trainable_variables)

        return [value.numpy() for value in run()], str(run.get_concrete_function().graph.as_graph_def())

    for own in (model.forward, model.backward):
        keras = tf.keras.layers.LSTM.from_config(own.get_config())
        keras.build(x.shape)
        keras.set_weights(own.get_weights())
        (values, graph), (wanted, keras_graph) = found(own), found(keras)
        assert len(values) == 6 and all(np.any(value) for value in values)
        for value, want in zip(values, wanted):
            np.testing.assert_array_equal(value, want)
        assert "gpu_lstm" in keras_graph and "gpu_lstm" not in graph
