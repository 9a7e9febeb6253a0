"""Do the tests notice faults?   python tools/mutate.py ffgan_tf/losses ffgan_tf/run/checkpoints.py --sample=40

Puts one small fault at a time into a module (another operator, comparison, number or default, a negated condition, a
statement left out), runs the tests that import the module, and lists the faults that no test noticed. The file on disk
is never touched: the fault exists in the memory of a forked process, which inherits TensorFlow's import from its
parent. Tests that start the commands as processes of their own cannot see it, and tests marked slow do not run.
Messages, docstrings and type hints get no faults. Exit code 0: all noticed, 1: some lived, 2: a mistake in the
arguments, or tests that fail without any fault.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


class _Places(ast.NodeVisitor):
    """Collects the nodes that can take a fault, without messages, annotations and docstrings."""

    def __init__(self):
        self.sites: list[tuple[ast.AST, str]] = []

    def visit_JoinedStr(self, node):
        """Skips messages."""

    def visit_Raise(self, node):
        """Skips messages; `fault_sites` adds the whole statement as a site."""

    def visit_arg(self, node):
        """Skips annotations."""

    def visit_AnnAssign(self, node):
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node):
        for default in [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]:
            self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def generic_visit(self, node):
        if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp) and type(node.op) in SWAPS:
            self.sites.append((node, "operator"))
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
            self.sites.append((node, "comparison"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            self.sites.append((node, "constant"))
        elif isinstance(node, ast.If | ast.IfExp | ast.While):
            self.sites.append((node, "condition"))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.sites.append((node, "statement"))
        super().generic_visit(node)


def fault_sites(tree: ast.Module) -> list[tuple[ast.AST, str]]:
    """(node, kind of fault) of every site in a module, in the order of the source."""
    visitor = _Places()
    visitor.visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            visitor.sites.append((node, "statement"))
    return sorted(visitor.sites, key=lambda site: (site[0].lineno, site[0].col_offset))


def faulty(source: str, index: int) -> tuple[ast.Module, str]:
    """The module with its `index`-th fault, and the fault's description: `12: a + b -> a - b`."""
    tree = ast.parse(source)
    node, kind = fault_sites(tree)[index]
    before = ast.unparse(node).splitlines()[0]
    if kind == "operator":
        node.op = SWAPS[type(node.op)]()
    elif kind == "comparison":
        node.ops[0] = SWAPS[type(node.ops[0])]()
    elif kind == "constant":
        node.value = (not node.value) if isinstance(node.value, bool) else node.value * 2 + 1
    elif kind == "condition":
        node.test = ast.UnaryOp(ast.Not(), node.test)
    else:
        left_out = copy.copy(node)
        for parent in ast.walk(tree):
            for name, value in ast.iter_fields(parent):
                if isinstance(value, list) and any(item is node for item in value):
                    passed = ast.copy_location(ast.Pass(), left_out)
                    setattr(parent, name, [passed if item is node else item for item in value])
    after = "left out" if kind == "statement" else ast.unparse(node).splitlines()[0]
    return ast.fix_missing_locations(tree), f"{node.lineno}: {before} -> {after}"


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from its faulty tree, all others as usual."""

    def __init__(self, name: str, path: Path, tree: ast.Module):
        self._name, self._path, self._tree = name, path, tree

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self._name:
            return importlib.util.spec_from_file_location(fullname, self._path, loader=self)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compile(self._tree, str(self._path), "exec"), module.__dict__)


def users_of(module: str, folder: str) -> list[Path]:
    """The files below a folder that import the module, by its dotted name or from its package."""
    parent, _, name = module.rpartition(".")
    pattern = re.compile(
        rf"{re.escape(module)}\b|from {re.escape(parent)} import (?:[^\n(]*|\([^)]*)\b{re.escape(name)}\b"
    )
    return [file for file in sorted((ROOT / folder).rglob("*.py")) if pattern.search(file.read_text(encoding="utf-8"))]


def tests_of(module: str) -> list[str]:
    """The test files that import the module, or, where none does, those of the modules that use it.

    The module's own test file comes first, then its room's, because a run ends with the first test that notices.
    """
    room, name = module.split(".")[1], module.rpartition(".")[2]

    def distance(file: Path) -> tuple[bool, bool]:
        return file.stem != f"test_{name}", room not in file.parts

    def direct(module: str) -> set[Path]:
        return {file for file in users_of(module, "tests") if "parity" not in file.parts and "test_" in file.name}

    files = direct(module) or {
        file
        for user in users_of(module, "ffgan_tf")
        for file in direct(".".join(user.relative_to(ROOT).with_suffix("").parts))
    }
    return [str(file) for file in sorted(sorted(files), key=distance)]


def run(module: str, path: Path, tree: ast.Module | None, tests: list[str], seconds: float) -> str:
    """Runs the tests in a forked process with the faulty module: "noticed", "lived", or "time" after `seconds`."""
    child = os.fork()
    if not child:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        if tree is not None:
            sys.meta_path.insert(0, _Loader(module, path, tree))
        import pytest

        try:
            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not workers"]
            code = pytest.main([*options, *tests])
        except BaseException:
            code = 1
        os._exit(0 if code == 0 else 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "lived" if status == 0 else "noticed"
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "time"


def modules(arguments: list[str]) -> Iterator[tuple[str, Path]]:
    """(dotted name, file) of every module in the arguments, which are modules or folders."""
    for argument in arguments:
        path = (ROOT / argument).resolve()
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            if not file.is_file() or ROOT not in file.parents:
                sys.exit(
                    f"error: {argument}: no such module or folder of the package. Fix: a path such as ffgan_tf/losses."
                )
            if file.name != "__init__.py":
                yield ".".join(file.relative_to(ROOT).with_suffix("").parts), file


def main() -> int:
    """Runs the faults and prints those that lived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", help="modules or folders of the package")
    parser.add_argument("--sample", type=int, default=0, help="number of faults in each module; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="draws the faults of --sample")
    parser.add_argument("--tests", nargs="+", help="test files to run instead of those that import the module")
    parser.add_argument("--seconds", type=float, default=120, help="time limit of each run of the tests")
    args = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import ffgan_tf  # noqa: F401, settles which Keras before TensorFlow is imported

    # isort: split
    import tensorflow  # noqa: F401, once for all forks

    for name in [name for name in sys.modules if name.split(".")[0] == "ffgan_tf"]:
        del sys.modules[name]
    total, lived, failed = 0, 0, False
    for module, path in modules(args.paths):
        source, tests = path.read_text(encoding="utf-8"), args.tests or tests_of(module)
        count = len(fault_sites(ast.parse(source)))
        chosen = range(count)
        if args.sample and args.sample < count:
            chosen = sorted(random.Random(f"{args.seed} {module}").sample(chosen, args.sample))
        start = time.monotonic()
        if tests and run(module, path, None, tests, args.seconds) != "lived":
            print(f"error: {module}: its tests do not pass within --seconds={args.seconds:g} without any fault.")
            failed = True
            continue
        took, alive, late = time.monotonic() - start, 0, 0
        for index in chosen:
            tree, what = faulty(source, index)
            outcome = run(module, path, tree, tests, args.seconds) if tests else "lived"
            if outcome != "noticed":
                print(f"  {outcome:5}  {path.relative_to(ROOT)}:{what}", flush=True)
            alive, late = alive + (outcome == "lived"), late + (outcome == "time")
        total, lived = total + len(chosen), lived + alive
        print(
            f"{module}: {len(chosen)} of {count} faults, {alive} lived, {late} by time "
            f"({len(tests)} test files, {took:.0f} s without a fault)",
            flush=True,
        )
    print(f"{total} faults, {lived} lived")
    return 2 if failed else 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main())
