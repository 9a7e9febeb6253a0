"""Python 2's pickles, whole and damaged, and pickles that want to run something."""

import collections
import os
import pickle

import numpy as np
import pytest

from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.utils.errors import UserError

# What Python 2.7 with NumPy 1.x writes for [numpy.int64(2)] and for an array of two float32 (protocol 0), spelled by
# hand after the pickle machine's published opcodes.
DTYPE_I8 = b"cnumpy\ndtype\n(S'i8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
PY2_SCALARS = (
    b"(lp0\ncnumpy.core.multiarray\nscalar\n(" + DTYPE_I8 + b"S'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\ntRa."
)
PY2_ARRAY = (
    b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\n"
    b"I0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb."
)
PY2_NAMES = b"(lp0\nS'001.Auk/Auk_0001'\np1\naVcaf\xe9\np2\na."


def load(tmp_path, content):
    path = tmp_path / "some.pickle"
    path.write_bytes(content)
    return load_pickle(path)


def crlf(content):
    return content.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("damage", [bytes, crlf], ids=["whole", "crlf"])
def test_python2_pickles(tmp_path, damage):
    (scalar,), notes = load(tmp_path, damage(PY2_SCALARS))
    assert scalar == 2 and isinstance(scalar, np.int64)
    assert [("CRLF" in note, "some.pickle" in note) for note in notes] == [(True, True)] * (damage is crlf)
    array, _ = load(tmp_path, damage(PY2_ARRAY))
    np.testing.assert_array_equal(array, np.array([1, 2], np.float32), strict=True)
    names, notes = load(tmp_path, damage(PY2_NAMES))
    assert names == ["001.Auk/Auk_0001", "caf\u00e9"] and len(notes) == (damage is crlf)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "value",
    [
        ["002.Finch/a", "x\r\ny"],
        {1: "one", "two": (2, 2.5, None, True)},
        {"a", "b"},
        [np.int64(3), np.float32(0.5)],
        collections.OrderedDict(a=1),
        list(range(300)),
    ],
)
def test_what_this_python_and_numpy_write(tmp_path, protocol, value):
    loaded, notes = load(tmp_path, pickle.dumps(value, protocol))
    assert loaded == value and type(loaded) is type(value) and not notes


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_of_this_numpy(tmp_path, protocol):
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.testing.assert_array_equal(load(tmp_path, pickle.dumps(array, protocol))[0], array, strict=True)


@pytest.mark.parametrize("protocol", [0, 2])
def test_crlf_damage_of_class_numbers(tmp_path, protocol):
    """Class 10 is the byte \\n in a binary pickle; the numbers of a text pickle are read in spite of the \\r."""
    classes = [1, 9, 10, 10, 13, 200, 2570]
    damaged = crlf(pickle.dumps(classes, protocol))
    assert damaged != pickle.dumps(classes, protocol)
    loaded, notes = load(tmp_path, damaged)
    assert loaded == classes and len(notes) == (protocol == 2)


def test_keys_that_end_in_cr(tmp_path):
    """Names split off a CRLF file before they were pickled: the pickle itself is sound."""
    loaded, notes = load(tmp_path, pickle.dumps({"001.Auk/a\r": ["b\r", ("c\r",)]}, 2))
    assert loaded == {"001.Auk/a": ["b", ("c",)]} and "\\r" in notes[0]


@pytest.mark.parametrize("damage", [bytes, crlf], ids=["whole", "crlf"])
def test_a_command_is_refused_by_name_and_not_run(tmp_path, damage):
    marker = tmp_path / "ran"
    content = b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    with pytest.raises(UserError, match=r"some\.pickle.*`os\.system`"):
        load(tmp_path, damage(content))
    assert not marker.exists()
    pickle.loads(content)  # the same bytes do run where nothing guards them
    assert marker.exists()


class Reduced:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize(
    "function, name",
    [
        (eval, "eval"),
        (exec, "exec"),
        (getattr, "getattr"),
        (__import__, "__import__"),
        (open, "open"),
        (os.popen, "popen"),
        (np.load, "load"),
        (np.fromfile, "fromfile"),
        (pickle.loads, "loads"),
    ],
)
def test_other_callables_are_refused_by_name(tmp_path, protocol, function, name):
    with pytest.raises(UserError, match=rf"refused.*{name}`"):
        load(tmp_path, pickle.dumps([Reduced(function, "1")], protocol))


def test_dotted_names_do_not_reach_past_the_list(tmp_path):
    content = b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__reduce__\x93."
    with pytest.raises(UserError, match=r"numpy\.ndarray\.__reduce__"):
        load(tmp_path, content)


def test_other_codecs_are_refused(tmp_path):
    with pytest.raises(UserError, match="codec 'zip'"):
        load(tmp_path, b"c_codecs\nencode\n(Vabc\nVzip\ntR.")


def endless():
    value = []
    value.append(value)
    return pickle.dumps(value)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", PY2_SCALARS[:-30], pickle.dumps(["a"] * 9, 2)[:-4], endless()],
    ids=["empty", "text", "cut", "cut2", "endless"],
)
def test_unreadable(tmp_path, content):
    with pytest.raises(UserError, match=r"some\.pickle: not a readable pickle"):
        load(tmp_path, content)


def test_missing(tmp_path):
    with pytest.raises(UserError, match=r"none\.pickle"):
        load_pickle(tmp_path / "none.pickle")
