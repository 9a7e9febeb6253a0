"""Pickles by other people, read without running them, within bounds.

A pickle is a program for a small machine. Two things are asked of it before that machine runs: every global that it
names is on a list, and what it builds is bounded. `check_program` walks through its operations without carrying any out
and refuses more than `MAX_OPERATIONS`, nesting beyond `MAX_DEPTH`, structures that hold themselves or that, each shared
part counted as often as it is used, have more than `MAX_PARTS` parts, containers as keys of dicts (their hashes recurse
in C, and can be made to collide), whole numbers of more than 63 bits, and memo places beyond the file's size.
"""

import pickle
import pickletools
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from ffgan_tf.utils.errors import UserError

MAX_OPERATIONS = 20_000_000  # CUB's captions.pickle has 2 million
MAX_DEPTH = 100
MAX_PARTS = 50_000_000
_WHOLE_NUMBERS = {0x1950A86A20F9469CFC6C}  # beyond 63 bits: the magic number of PyTorch's old files
_IN_PLACE = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_KEYED = {"SETITEM": 1, "SETITEMS": 1, "DICT": 0, "ADDITEMS": 1, "FROZENSET": 0}  # where the first key is popped
_SETS = {"ADDITEMS", "FROZENSET"}
_LINES = {"STRING": 1, "UNICODE": 1, "PERSID": 1, "GLOBAL": 2, "INST": 2}  # arguments that are lines of text
_MARK = object()


class AllowListUnpickler(pickle.Unpickler):
    """`pickle.Unpickler` that resolves only the globals in `allowed`, a map `"module.name"` → what stands for it.

    A pickle's only way to reach code is to name a global. Anything off the list raises a UserError that names it, and
    `path`, before it is looked up. `options` go to `pickle.Unpickler` (`encoding="latin1"`, …). `load_bounded` is the
    way to load.
    """

    def __init__(self, file: BinaryIO, path: str, allowed: Mapping[str, Any], **options):
        super().__init__(file, **options)
        self._file, self._path, self._allowed = file, path, allowed

    def find_class(self, module: str, name: str) -> Any:
        """Returns the stand-in for a global. Raises UserError if it is not on the list."""
        try:
            return self._allowed[f"{module}.{name}"]
        except KeyError:
            raise UserError(
                f"{self._path}: refused, nothing was run: the file asks for `{module}.{name}`, which data of its kind "
                "does not need. Fix: get the file from its publisher again."
            ) from None

    def load_bounded(self) -> Any:
        """`load` once `check_program` has passed what stands at the file's position (the file must be seekable)."""
        start = self._file.tell()
        check_program(self._file)
        self._file.seek(start)
        return self.load()


class _Node:
    """A container, or what a call makes: its inner nodes, how many parts it has besides, and both with all below."""

    __slots__ = ("inner", "leaves", "parts", "depth")

    def __init__(self, popped=()):
        self.inner, self.leaves, self.parts, self.depth = [], 1, 0, 0
        self.add(popped)

    def add(self, popped) -> None:
        for part in popped:
            if part is None:
                self.leaves += 1
            else:
                self.inner.append(part)


def check_program(file: BinaryIO) -> None:
    """Raises pickle.UnpicklingError where the pickle at the file's position is beyond the bounds above, or malformed.

    Reads up to the end of the pickle; carries nothing out. Other errors of `pickletools` (ValueError, …) pass.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    nodes: list[_Node] = []
    count = 0
    for operation, argument in _operations(file):
        name, count = operation.name, count + 1
        if count > MAX_OPERATIONS:
            raise pickle.UnpicklingError(f"more than {MAX_OPERATIONS:,} operations")
        if name in _LEAVES:
            if type(argument) is int and argument.bit_length() > 63 and argument not in _WHOLE_NUMBERS:
                raise pickle.UnpicklingError("a whole number of more than 63 bits")
            stack.append(None)
        elif name in _EMPTY:
            nodes.append(_Node())
            stack.append(nodes[-1])
        elif name in _SPECIAL:
            _special(name, argument, stack, memo, count)
        else:
            popped = _pop(stack, operation.stack_before)
            if name in _KEYED:
                keys = popped[_KEYED[name] :: 1 if name in _SETS else 2]
                if any(key is not None for key in keys):
                    raise pickle.UnpicklingError("a container as a key")
            if name in _IN_PLACE:
                if not isinstance(popped[0], _Node):
                    raise pickle.UnpicklingError(f"{name} on what is no container")
                popped[0].add(popped[1:])
                stack.append(popped[0])
            elif operation.stack_after:
                node = _Node(popped)
                nodes.append(node)
                stack.append(node)
    _measure(nodes)


_EMPTY = {"EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_DICT", "EMPTY_SET"}
_SPECIAL = {
    *("MARK", "POP", "POP_MARK", "DUP", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("PROTO", "FRAME", "STOP"),
}
_LEAVES = {  # whatever pushes one thing that holds nothing: numbers, texts, globals
    operation.name
    for operation in pickletools.opcodes
    if not operation.stack_before and len(operation.stack_after) == 1
} - (_EMPTY | _SPECIAL)
_BY_CODE = {operation.code: operation for operation in pickletools.opcodes}


def _operations(file: BinaryIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """`pickletools.genops` without its ASCII: Python 2's byte strings have any bytes. Their texts are passed over."""
    while True:
        operation = _BY_CODE.get(file.read(1).decode("latin-1"))
        if operation is None:
            raise pickle.UnpicklingError("no operation, or no end")
        argument = None
        if lines := _LINES.get(operation.name):
            if not all(file.readline().endswith(b"\n") for _ in range(lines)):
                raise pickle.UnpicklingError("cut short within a text")
        elif operation.arg is not None:
            argument = operation.arg.reader(file)
        yield operation, argument
        if operation.name == "STOP":
            return


def _special(name: str, argument: Any, stack: list, memo: dict, count: int) -> None:
    """The operations that build nothing: marks, the stack, the memo."""
    if name == "MARK":
        stack.append(_MARK)
    elif name in ("POP", "DUP"):
        top = stack.pop()
        stack.extend([top, top] if name == "DUP" else [])
    elif name == "POP_MARK":
        while stack.pop() is not _MARK:
            pass
    elif name.endswith("GET"):
        stack.append(memo[int(argument)])
    elif name.endswith("PUT") or name == "MEMOIZE":
        slot = len(memo) if name == "MEMOIZE" else int(argument)
        if not 0 <= slot <= 2 * count + 1000:  # the machine reserves memory up to that place
            raise pickle.UnpicklingError(f"memo place {slot:,}")
        memo[slot] = stack[-1]


def _pop(stack: list, before: list) -> list:
    """What an operation takes off the stack, the lowest first, without the mark."""
    if pickletools.markobject in before:
        popped = []
        while (part := stack.pop()) is not _MARK:
            popped.append(part)
        popped += [stack.pop() for _ in range(before.index(pickletools.markobject))]
    else:
        popped = [stack.pop() for _ in before]
    if any(part is _MARK for part in popped):
        raise pickle.UnpicklingError("a mark out of place")
    return popped[::-1]


def _measure(nodes: list[_Node]) -> None:
    """Raises UnpicklingError where a node holds itself, or is too deep or too large. Never recurses."""
    for start in nodes:
        if start.parts:
            continue
        path = [(start, iter(start.inner))]
        start.parts = -1  # being measured
        while path:
            node, rest = path[-1]
            inner = next(rest, None)
            if inner is None:
                path.pop()
                node.parts = node.leaves + sum(part.parts for part in node.inner)
                node.depth = 1 + max((part.depth for part in node.inner), default=0)
                if node.depth > MAX_DEPTH or node.parts > MAX_PARTS:
                    raise pickle.UnpicklingError(f"nested more than {MAX_DEPTH} deep, or more than {MAX_PARTS:,} parts")
            elif inner.parts == -1:
                raise pickle.UnpicklingError("a structure that holds itself")
            elif not inner.parts:
                inner.parts = -1
                path.append((inner, iter(inner.inner)))
