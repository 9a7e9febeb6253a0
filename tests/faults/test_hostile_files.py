"""Other people's files that mean harm, or are damaged: refused by name, soon and in little memory.

Each test draws its own files; `--cases=1000` draws that many of each kind. What ends the process, or never ends, is
tried in a process of its own with a bound on both.
"""

import io
import pickle
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.utils.errors import UserError
from ffgan_tf.utils.reading import read_json, read_npz
from ffgan_tf.utils.torch_files import load_torch_file

ROOT = Path(__file__).resolve().parents[2]
SECONDS, BYTES = 60, 3 << 30


def in_a_process(code: str, path: Path) -> str:
    """Runs `code` with `path` as its argument, bounded in time and memory; its exit code and last words."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES)),
    )
    return f"{done.returncode} {done.stdout[-300:]}{done.stderr[-300:]}"


PICKLES = """
import sys
from ffgan_tf.data.convert.pickles import load_pickle
from ffgan_tf.utils.errors import UserError
try:
    load_pickle(sys.argv[1])
except UserError as error:
    print("refused", str(error)[-200:])
"""


def shared_references(random):
    """Lists of the same list, level upon level: small to load, endless to walk through."""
    value = []
    for _ in range(int(random.integers(20, 60))):
        value = [value] * int(random.integers(2, 20))
    return pickle.dumps(value, int(random.integers(6)))


def shared_tuples_as_key(random):
    value = ()
    for _ in range(int(random.integers(30, 80))):
        value = (value, value)
    return b"\x80\x02}" + pickle.dumps(value, 2)[2:-1] + b"K\x01s."


def deep(random):
    depth = int(random.integers(200, 600_000))
    kind = int(random.integers(4))
    if kind == 0:
        return b"\x80\x02)" + b"\x85" * depth + b"."
    if kind == 1:
        return b"\x80\x02" + b"(" * depth + b"l" * depth + b"."
    if kind == 2:
        return b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def far_memo(random):
    return b"\x80\x02]r" + struct.pack("<I", int(random.integers(1 << 28, 1 << 32))) + b"."


def long_announced(random):
    code = [b"B", b"X", b"\x8e", b"\x8d", b"\x8b", b"\x95", b"\x96"][int(random.integers(7))]
    size = int(random.integers(1 << 30, 1 << 31)) if code in b"BX\x8b" else int(random.integers(1 << 40, 1 << 62))
    return b"\x80\x04" + code + size.to_bytes(4 if code in b"BX\x8b" else 8, "little") + b"abc."


def huge_array(random):
    shape = b"(" + b"".join(b"L%dL\n" % random.integers(1 << 20, 1 << 40) for _ in range(2)) + b"t"
    dtype = b"cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb" % (b"f4", b"O8")[int(random.integers(2))]
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        + shape
        + dtype
        + b"I00\nS'abcd'\ntb."
    )


def growing_calls(random):
    """list(str(list(str(…)))): each call makes more of it."""
    start = b"c__builtin__\nlist\n(c__builtin__\nstr\n(" * int(random.integers(2, 12))
    return start + b"S'abc'\n" + b"tRtR" * (start.count(b"list")) + b"."


def long_number(random):
    return b"\x80\x02\x8b" + struct.pack("<i", 200_000) + random.bytes(200_000) + b"."


PICKLE_BOMBS = [
    *(shared_references, shared_tuples_as_key, deep, far_memo, long_announced, huge_array, growing_calls, long_number),
]


@pytest.mark.parametrize("bomb", PICKLE_BOMBS)
def test_a_pickle_that_never_ends_or_crashes_is_refused(tmp_path, bomb):
    path = tmp_path / "bomb.pickle"
    path.write_bytes(bomb(np.random.default_rng(0)))
    assert in_a_process(PICKLES, path).startswith("0 refused"), bomb.__name__


def test_pickle_bombs_by_the_dozen(tmp_path, draw_cases):
    path = tmp_path / "bomb.pickle"

    def case(seed):
        random = np.random.default_rng(seed)
        path.write_bytes(PICKLE_BOMBS[seed % len(PICKLE_BOMBS)](random))
        with pytest.raises(UserError, match=r"bomb\.pickle"):
            load_pickle(path)

    draw_cases(24, case)


def mutated(content, random):
    """`content` with one to four bytes changed, or cut, or with a piece of it moved."""
    changed = bytearray(content)
    for _ in range(int(random.integers(1, 5))):
        start = int(random.integers(len(changed)))
        kind = int(random.integers(5))
        if kind == 0:
            changed[start] ^= 1 << int(random.integers(8))
        elif kind == 1:
            changed[start] = int(random.integers(256))
        elif kind == 2:
            changed[start:start] = changed[: int(random.integers(1, 40))]
        elif kind == 3:
            del changed[start : start + int(random.integers(1, 40))]
        else:
            changed[start : start + 8] = [0xFF] * min(8, len(changed) - start)
        if not changed:
            break
    return bytes(changed)


def test_damaged_pickles_load_or_are_refused(tmp_path, draw_cases):
    value = [[["001.Auk/a", "caf\u00e9"], {1: "one"}], (np.int64(3), np.arange(4, dtype=np.float32)), {"a", "b"}]
    path = tmp_path / "some.pickle"
    sound = [pickle.dumps(value, protocol) for protocol in range(5)]

    def case(seed):
        path.write_bytes(mutated(sound[seed % 5], np.random.default_rng(seed)))
        try:
            load_pickle(path)
        except UserError as error:
            assert "some.pickle" in str(error)

    draw_cases(200, case)


def torch_zip(random, members=None, compression=zipfile.ZIP_STORED):
    """A state dict of one tensor as `torch.save` writes it, spelled by hand, or with other members."""
    size = int(random.integers(1, 100))
    program = (
        b"\x80\x02}X\x01\x00\x00\x00w(ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK"
        + bytes([size])
        + b"tQK\x00K"
        + bytes([size])
        + b"\x85K\x01\x85\x89Nt"
        b"R0"
    )
    program = program.replace(b"(ctorch._utils", b"ctorch._utils").removesuffix(b"0") + b"s."
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in (members or {"a/data.pkl": program, "a/data/0": random.bytes(4 * size)}).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_damaged_pth_files_load_or_are_refused(tmp_path, draw_cases):
    path = tmp_path / "some.pth"
    path.write_bytes(torch_zip(np.random.default_rng(0)))
    assert load_torch_file(path)["w"].dtype == np.float32
    real = [path.read_bytes() for path in sorted((ROOT / "tests/utils/torch_files").glob("*.pth"))]
    assert len(real) == 2

    def case(seed):
        random = np.random.default_rng(seed)
        path.write_bytes(mutated([*real, torch_zip(random)][seed % 3], random))
        try:
            load_torch_file(path)
        except UserError as error:
            assert "some.pth" in str(error)

    draw_cases(200, case)


PTH = """
import sys
from ffgan_tf.utils.torch_files import load_torch_file
from ffgan_tf.utils.errors import UserError
try:
    load_torch_file(sys.argv[1])
except UserError as error:
    print("refused", str(error)[-200:])
"""


@pytest.mark.parametrize("kind", ["zeros", "many", "overlap"])
def test_a_pth_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, kind):
    path, random = tmp_path / "bomb.pth", np.random.default_rng(0)
    block = bytes(64 << 20)
    if kind == "zeros":
        members = {"a/data.pkl": b"\x80\x02}.", "a/data/0": block}
    else:
        members = {"a/data.pkl": b"\x80\x02}."} | {f"a/data/{i}": b"x" * 100 for i in range(40)}
    content = torch_zip(random, members, zipfile.ZIP_DEFLATED)
    if kind == "zeros":  # announce that it unpacks to 4.2 GB
        content = content.replace(struct.pack("<I", 64 << 20), struct.pack("<I", 0xFFFFFFF0))
    elif kind == "many":
        content = content.replace(struct.pack("<I", 100), struct.pack("<I", 0x10000000))
    else:  # all members' data at the place of the first
        start = content.index(b"PK\x01\x02")
        directory = bytearray(content[start:])
        entry = directory.find(b"PK\x01\x02")
        while entry >= 0:
            directory[entry + 42 : entry + 46] = bytes(4)
            entry = directory.find(b"PK\x01\x02", entry + 4)
        content = content[:start] + bytes(directory)
    path.write_bytes(content)
    assert in_a_process(PTH, path).startswith("0 refused")


def test_tensors_that_grow_are_refused(tmp_path):
    """A storage of one number seen as a million by a million, by strides of 0."""
    random = np.random.default_rng(0)
    program = (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQK\x00J\x40\x42\x0f\x00J\x40\x42\x0f\x00\x86K\x00K\x00\x86\x89NtRs."
    )
    path = tmp_path / "bomb.pth"
    path.write_bytes(torch_zip(random, {"a/data.pkl": program, "a/data/0": bytes(4)}))
    with pytest.raises(UserError, match=r"bomb\.pth.*more than"):
        load_torch_file(path)


def test_npz_that_announces_more_than_it_holds(tmp_path, draw_cases):
    path = tmp_path / "some.npz"

    def case(seed):
        random = np.random.default_rng(seed)
        buffer, header = io.BytesIO(), io.BytesIO()
        shape = tuple(int(size) for size in random.integers(1 << 10, 1 << 40, random.integers(1, 4)))
        np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a.npy", header.getvalue() + random.bytes(64))
        path.write_bytes(buffer.getvalue())
        with pytest.raises(UserError, match=r"some\.npz: not a whole \.npz file"):
            read_npz(path, digest=False)

    draw_cases(50, case)


def test_json_of_any_shape_is_read_or_refused(tmp_path, draw_cases):
    path = tmp_path / "some.json"

    def case(seed):
        random = np.random.default_rng(seed)
        depth = 10 ** int(random.integers(2, 6))
        texts = [
            "[" * depth,
            "[" * depth + "]" * depth,
            '{"a":' * depth + "1" + "}" * depth,
            "9" * 5000,
            '"\\ud800"',
            "NaN",
        ]
        content = (
            texts[seed % len(texts)].encode() if seed % 2 else mutated(b'{"step": 500, "files": {"a": "b"}}', random)
        )
        path.write_bytes(content)
        try:
            assert isinstance(read_json(path), dict)
        except UserError as error:
            assert "some.json" in str(error)

    draw_cases(100, case)


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "nothing", "loop"])
def test_what_is_no_file_is_not_read(tmp_path, kind):
    import os

    path = tmp_path / "some.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)  # opening it would wait for a writer
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    with pytest.raises(UserError, match=r"some\.json: .*Fix: "):
        read_json(path)
