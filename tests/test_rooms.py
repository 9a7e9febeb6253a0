"""The floors of the package: imports go one way, down; nothing imports a command; no circle among modules."""

import ast
import re
from pathlib import Path

import pytest

import ffgan_tf

# What each room may import besides itself. A module of the package's own folder that is not named here is a command,
# which may import every room; nothing imports a command. docs/architecture.md draws it.
ROOMS = {
    "utils": set(),
    "losses": set(),
    "compat": {"utils"},
    "metrics": {"utils"},
    "config": {"utils"},
    "data": {"utils"},
    "data.convert": {"data", "utils"},
    "demo": {"utils"},
    "models": {"config", "utils", "compat"},
    "run": {"models", "data", "config", "utils", "compat"},
    "evaluation": {"run", "metrics", "models", "data", "config", "utils", "compat"},
    "visuals": {"evaluation", "run", "models", "data", "config", "utils"},
    "reporting": {"visuals", "evaluation", "run", "data", "config", "utils"},
    "serving": {"visuals", "run", "data", "utils"},
    "exporting": {"visuals", "evaluation", "run", "models", "data", "config", "utils", "compat"},
    "training": {"visuals", "evaluation", "run", "metrics", "models", "losses", "data", "config", "utils", "compat"},
}
ROOT_NAMES = {"__version__"}  # what a room may take from ffgan_tf itself


def imports(path, package):
    """Absolute dotted names that a file imports, inside functions too: `from a.b import c` is `a.b.c`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1] + base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def modules(root):
    """{dotted name below the package, "" for the package itself: file}."""
    actual = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        actual[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return actual


def graph(root):
    """{module: (modules of the package that it imports, names it takes from the package itself, other packages)}."""
    files, result = modules(root), {}
    for module, path in files.items():
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        own, root_names, foreign = set(), set(), set()
        for name in imports(path, f"{root.name}.{package}".rstrip(".")):
            first, _, rest = name.partition(".")
            if first != root.name:
                foreign.add(first)
                continue
            while rest and rest not in files and rest.rpartition(".")[0] in files and "." in rest:
                rest = rest.rpartition(".")[0]  # a name in a module
            if rest in files and rest:
                own.add(rest)
            else:
                root_names.add(rest)
        result[module] = (own - {module}, root_names, foreign)
    return result


def room_of(module, rooms):
    """The longest room that the module lies in; None for a command and for the package itself."""
    fitting = [room for room in rooms if module == room or module.startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def upward(root, rooms):
    """The imports that the rooms do not allow, as sentences."""
    wrong = []
    for module, (own, root_names, foreign) in graph(root).items():
        room = room_of(module, rooms)
        for target in sorted(own):
            target_room = room_of(target, rooms)
            if target_room is None:
                wrong.append(f"{module or root.name} imports the command {target}")
            elif room is not None and target_room != room and target_room not in rooms[room]:
                wrong.append(f"{module} ({room}) imports {target} ({target_room})")
        if room is not None:
            wrong += [f"{module} imports {name} from {root.name}" for name in sorted(root_names - ROOT_NAMES)]
        if "tensorflow_addons" in foreign and module != "compat":
            wrong.append(f"{module} imports tensorflow_addons, which compat alone may")
    return wrong


def circles(root):
    """A circle of imports as a list of modules, or [] where there is none."""
    edges = {module: own for module, (own, _, _) in graph(root).items()}
    finished = set()

    def visit(module, way):
        if module in way:
            return [*way[way.index(module) :], module]
        if module in finished:
            return []
        for target in sorted(edges[module]):
            if actual := visit(target, [*way, module]):
                return actual
        finished.add(module)
        return []

    return next((actual for module in sorted(edges) if (actual := visit(module, []))), [])


ROOT = Path(ffgan_tf.__file__).resolve().parent


def test_no_import_goes_up():
    assert not upward(ROOT, ROOMS)


def test_no_circle():
    assert not circles(ROOT)


def test_every_room_is_there():
    """A room that moved or was renamed would be taken for commands, and a forgotten name would allow too much."""
    actual = modules(ROOT)
    assert set(ROOMS) <= set(actual)
    assert {room_of(module, ROOMS) for module in actual if "." in module} <= set(ROOMS)
    assert all(allowed <= set(ROOMS) for allowed in ROOMS.values())


def test_the_rooms_are_floors():
    """What is allowed has no circle itself."""
    left = {room: set(allowed) for room, allowed in ROOMS.items()}
    while floor := {room for room, allowed in left.items() if not allowed & set(left)}:
        for room in floor:
            del left[room]
    assert not left


def test_architecture_md_says_the_same():
    """Its table leaves out utils and compat, which all may import; a converter's room is part of data's row."""
    text = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/` \|.*\| ([^|]+) \|$", text, re.M))
    assert set(rows) == set(ROOMS) - {"compat", "data.convert"}
    for number, (room, cell) in enumerate(rows.items()):
        below = set(list(rows)[number + 1 :]) - {"demo"}
        listed = below if cell == "everything below" else set(re.findall(r"\w+", cell))
        assert listed - {"utils", "compat"} == ROOMS[room] - {"utils", "compat"}, room


@pytest.fixture
def house(tmp_path):
    """Writes a made-up package `house` of {file: text}; the rooms are low, high (which may import low) and compat."""

    def build(files):
        for name in ("__init__.py", "low/__init__.py", "low/a.py", "high/__init__.py", "high/b.py", "compat.py"):
            path = tmp_path / "house" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files.get(name, ""))
        for name in files:
            (tmp_path / "house" / name).write_text(files[name])
        return tmp_path / "house"

    return build


SMALL = {"low": set(), "compat": set(), "high": {"low"}}


@pytest.mark.parametrize(
    "files, complaint",
    [
        ({"high/b.py": "from house.low.a import x\nfrom ..low import a\nimport house.low.a, os"}, None),
        ({"command.py": "from house.high import b\nfrom house import compat", "__init__.py": "import os"}, None),
        ({"low/a.py": "from house.high import b"}, "low.a (low) imports high.b (high)"),
        ({"low/a.py": "import house.high.b"}, "low.a (low) imports high.b (high)"),
        ({"low/a.py": "from ..high.b import x"}, "low.a (low) imports high.b (high)"),
        ({"low/__init__.py": "from ..high import b"}, "low (low) imports high.b (high)"),
        ({"low/a.py": "def f():\n    if True:\n        from house import high"}, "low.a (low) imports high (high)"),
        ({"high/b.py": "from house.compat import x"}, "high.b (high) imports compat (compat)"),
        ({"command.py": "", "high/b.py": "from house.command import main"}, "high.b imports the command command"),
        ({"command.py": "", "other.py": "from house import command"}, "other imports the command command"),
        ({"low/a.py": "from house import load"}, "low.a imports load from house"),
        ({"low/a.py": "from house import __version__"}, None),
        ({"high/b.py": "def f():\n    import tensorflow_addons.layers"}, "high.b imports tensorflow_addons"),
        ({"compat.py": "import tensorflow_addons as tfa"}, None),
    ],
)
def test_the_check_finds_what_is_wrong(house, files, complaint):
    actual = upward(house(files), SMALL)
    if complaint is None:
        assert not actual
    else:
        assert len(actual) == 1 and actual[0].startswith(complaint)


def test_the_check_finds_circles(house):
    assert not circles(house({"low/a.py": "import os", "high/b.py": "from house.low import a"}))
    assert circles(
        house({"low/a.py": "def f():\n    from house.compat import x", "compat.py": "from house.low import a"})
    ) == ["compat", "low.a", "compat"]
