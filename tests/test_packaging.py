"""The declared dependencies are the imported ones; the requirement files agree with setup.py and each other."""

import ast
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import ffgan_tf

ROOT = Path(ffgan_tf.__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
IMPORTED_AS = {
    "importlib_resources": "importlib-resources",
    "tensorflow_addons": "tensorflow-addons",
    "tensorflow_datasets": "tensorflow-datasets",
    "tf_keras": "tf-keras",
    "PIL": "pillow",
    "werkzeug": "flask",  # one project in two packages; Flask's errors are Werkzeug's
    "absl": "absl-py",
    "google": "protobuf",
    "torch_fidelity": "torch-fidelity",
}


def environment(python):
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "extra": "",
    }


def requirement_lines(name):
    """[(requirement, whether it stands in the file's first, direct part)]."""
    direct, transitive = (ROOT / name).read_text(encoding="utf-8").split("# What those need in turn")
    return [
        (Requirement(line), is_direct)
        for part, is_direct in ((direct, True), (transitive, False))
        for line in part.splitlines()
        if line.strip() and not line.startswith("#")
    ]


def pins(name, python):
    """{package: version} that the file selects on `python`; two pins of one package are an error."""
    chosen = {}
    for requirement, _ in requirement_lines(name):
        if requirement.marker is None or requirement.marker.evaluate(environment(python)):
            (specifier,) = requirement.specifier
            assert specifier.operator == "==" and "*" not in specifier.version, f"{requirement} is no pin"
            assert requirement.name not in chosen, f"{name} pins {requirement.name} twice on Python {python}"
            chosen[requirement.name] = specifier.version
    return chosen


def setup_calls():
    """Keywords of setup.py's call of setup(), evaluated with its own constants, without running it."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    names, call = {}, None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names.update(zip([target.id for target in node.targets[0].elts], ast.literal_eval(node.value)))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and node.value.func.id == "setup":
            call = node.value

    def value(node):
        return eval(compile(ast.Expression(node), "setup.py", "eval"), dict(names))  # our own file

    return {
        keyword.arg: value(keyword.value)
        for keyword in call.keywords
        if keyword.arg in ("install_requires", "extras_require", "python_requires")
    }


def sources(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def third_party(path):
    """First parts of the absolute imports in a file, but for the standard library's and the project's own."""
    actual = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            actual |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            actual.add(node.module.split(".")[0])
    own = {other.stem for other in sources("tests", "benchmarks", "tools")} | {"tools", "tests", "ffgan_tf"}
    own |= {folder.name for folder in (ROOT / "tests").iterdir() if folder.is_dir()}
    return actual - set(sys.stdlib_module_names) - own


def test_every_import_is_a_declared_dependency():
    files = sources("ffgan_tf", "tools", "benchmarks")
    assert len(files) > 10
    calls = setup_calls()
    installed = {Requirement(text).name for text in calls["install_requires"]}
    for_tests, for_the_page = (
        {Requirement(text).name for text in calls["extras_require"][extra]} for extra in ("test", "serve")
    )

    references = {requirement.name for requirement, direct in requirement_lines("requirements-parity.txt") if direct}
    # Benchmarks time the references beside us, where they are installed.
    extras = {"tools": for_tests, "serving": for_the_page, "benchmarks": references}

    def allowed(path):
        return installed | extras.get(path.parent.name, set())

    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in third_party(path)
        if IMPORTED_AS.get(name, name) not in allowed(path)
    }
    assert not undeclared


def test_tests_import_only_direct_requirements():
    direct, references = (
        {requirement.name for requirement, is_direct in requirement_lines(name) if is_direct}
        for name in ("requirements.txt", "requirements-parity.txt")
    )
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources("tests")
        for name in third_party(path)
        if IMPORTED_AS.get(name, name)
        not in direct
        | {"packaging"}  # packaging comes with pytest
        | (references if path.parent.name == "parity" else set())
    }
    assert not undeclared


def test_references_are_never_installed_with_the_project():
    ours = {
        requirement.name
        for name in ("requirements.txt", "requirements-new.txt")
        for requirement, _ in requirement_lines(name)
    }
    assert {"torch", "torch-fidelity", "prdc"} <= (
        references := {requirement.name for requirement, _ in requirement_lines("requirements-parity.txt")}
    )
    assert not references & ours


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_satisfy_setup_py(python):
    chosen = pins("requirements.txt", python)
    calls = setup_calls()
    for text in calls["install_requires"] + calls["extras_require"]["gpu"] + calls["extras_require"]["test"]:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment(python)):
            assert requirement.specifier.contains(chosen[requirement.name]), f"{text} on Python {python}"


@pytest.mark.parametrize(
    "python, stack", [("3.10", "2.15.1"), ("3.11", "2.15.1"), ("3.12", "2.21.0"), ("3.13", "2.21.0")]
)
def test_stack_by_python(python, stack):
    chosen = pins("requirements.txt", python)
    assert chosen["tensorflow"] == stack
    old = stack == "2.15.1"
    assert ("tensorflow-addons" in chosen, "tf-keras" in chosen) == (old, not old)


def test_the_newer_stack_is_one():
    new = {requirement.name: str(requirement.specifier) for requirement, _ in requirement_lines("requirements-new.txt")}
    assert all(requirement.marker is None for requirement, _ in requirement_lines("requirements-new.txt"))
    for python in ("3.12", "3.13"):
        assert {name: f"=={version}" for name, version in pins("requirements.txt", python).items()} == new


def test_pre_commit_runs_the_pinned_tools():
    pinned = dict(
        re.findall(r"^(ruff|mypy)==(\S+)$", (ROOT / "requirements-lint.txt").read_text(encoding="utf-8"), re.M)
    )
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    wanted = re.findall(r"additional_dependencies: \[(\w+)==([^\]]+)\]", hooks)
    assert len(wanted) == hooks.count("- id:") == 3
    assert {name for name, _ in wanted} == set(pinned) == {"ruff", "mypy"}
    assert all(version == pinned[name] for name, version in wanted)


def test_every_target_of_make_is_in_its_help_and_ci_s_are_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    targets = set(re.findall(r"^([\w-]+):(?!=)", text, re.M))
    assert set(phony.split()) == targets
    shown = set(re.findall(r"'make (\S+) ", text))
    assert shown == {name for name in targets if name != "help" and not name.startswith("venv")}
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("exec make ")]
    assert line == lines[-1]  # its exit code is CI's
    words = line.removeprefix("exec make ").split()
    assert [word for word in words if word in targets] == ["test", "test-new", "lint", "parity"]
    assert "-k" in words and "SLOW=1" in words  # all of them, whatever one says; every test, the workers' too
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert "run: bash .ci/run" in workflow
    assert set(re.findall(r"run: make (\S+)", workflow)) <= targets


def test_ci_s_tests_are_all():
    """`make test SLOW=1` leaves out neither what pytest.ini leaves out, the workers, nor the slow ones."""
    outside = {**os.environ, "MAKEFLAGS": ""}  # or what make was given for this run would count
    told = subprocess.run(["make", "-n", "test", "SLOW=1"], cwd=ROOT, env=outside, capture_output=True, text=True)
    (markers,) = re.findall(r"-m pytest .*-m '([^']*)'", told.stdout)
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", markers]
    run = subprocess.run([*command, "tests/training/test_replicas.py"], cwd=ROOT, capture_output=True, text=True)
    for name in (
        "test_several_workers_equal_one_device[3]",
        "test_two_devices_of_one_machine",
        "test_place_of_a_worker",
    ):
        assert f"::{name}" in run.stdout


def test_one_case_of_each():
    """What `make test-new` leaves out are cases; every test is run."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    found = []
    for more in ([], ["--one-of-each"]):
        run = subprocess.run([*command, *more, "tests/test_packaging.py"], cwd=ROOT, capture_output=True, text=True)
        found.append([line.rpartition("::")[2] for line in run.stdout.splitlines() if "::" in line])
    every, one = found
    names = [name.partition("[")[0] for name in one]
    assert len(set(names)) == len(names) < len(every)
    assert set(names) == {name.partition("[")[0] for name in every}


def test_what_runs_here_is_what_is_pinned():
    """Only in the environments that make sets up: elsewhere other versions may be wanted."""
    if not (Path(sys.prefix) / "made-from").is_file():
        pytest.skip("not an environment of tools/setup_venv.sh")
    python = ".".join(map(str, sys.version_info[:2]))
    name = "requirements-new.txt" if Path(sys.prefix).name == ".venv-new" else "requirements.txt"
    expected = pins(name, "3.12" if name == "requirements-new.txt" else python)
    assert {package: metadata.version(package) for package in expected} == expected


@pytest.mark.parametrize("python, fits", [("3.9", False), *((python, True) for python in PYTHONS), ("3.14", False)])
def test_python_versions(python, fits):
    assert Requirement(f"x{setup_calls()['python_requires']}").specifier.contains(f"{python}.1") == fits


def test_setup_py_reads_the_version_without_importing_the_package(tmp_path):
    (tmp_path / "ffgan_tf").mkdir()
    text = (ROOT / "ffgan_tf/__init__.py").read_text(encoding="utf-8")
    (tmp_path / "ffgan_tf/__init__.py").write_text(text + "\nraise RuntimeError('imported')\n", encoding="utf-8")
    for name in ("setup.py", "README.md", "LICENSE"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    shown = subprocess.run(
        [sys.executable, "setup.py", "--name", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert shown[-2:] == ["ffgan-tf", ffgan_tf.__version__]


@pytest.mark.parametrize(
    "version, legacy", [("2.15.1", None), ("2.16.0", "1"), ("2.21.0", "1"), ("3.0.0", "1"), (None, None)]
)
def test_legacy_keras_is_asked_for_only_where_tensorflow_no_longer_carries_keras_2(tmp_path, version, legacy):
    if version:
        (tmp_path / "tensorflow").mkdir()
        (tmp_path / "tensorflow" / "__init__.py").write_text("raise RuntimeError('imported')\n")
        (tmp_path / f"tensorflow-{version}.dist-info").mkdir()
        (tmp_path / f"tensorflow-{version}.dist-info/METADATA").write_text(
            f"Metadata-Version: 2.1\nName: tensorflow\nVersion: {version}\n"
        )
    (tmp_path / "ffgan_tf").symlink_to(ROOT / "ffgan_tf")
    code = "import os, sys, ffgan_tf; print(os.environ.get('TF_USE_LEGACY_KERAS'), 'tensorflow' in sys.modules)"
    clean = {key: value for key, value in os.environ.items() if key not in ("TF_USE_LEGACY_KERAS", "PYTHONPATH")}
    # -S: without the site-packages whose TensorFlow would be found beside the made-up one
    shown = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True, check=True
    ).stdout.split()
    assert shown == [str(legacy), "False"]


def test_keras_is_keras_2_here():
    import tensorflow as tf

    assert tf.keras.Model.__module__ in ("keras.src.engine.training", "tf_keras.src.engine.training")  # 3: models.model


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.cfg")), ids=lambda path: path.name)
def test_recipe_is_headed_by_its_command_and_its_flags_exist(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = []
    for line in lines:
        if not line.startswith("#"):
            break
        comments.append(line)
    text = re.sub(r"\\\n#\s*", "", "\n".join(comments))  # a command may take several lines, and several flag files
    commands = re.findall(r"python -m (\S+) (.*)", text)
    module = {file: module for module, rest in commands for file in re.findall(r"--flagfile=(\S+)", rest)}[
        f"experiments/{path.name}"
    ]
    help_text = subprocess.run(
        [sys.executable, "-m", module, "--helpfull"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    known = set(re.findall(r"^\s*(?:-[A-Za-z],)?--(?:\[no\])?(\w+)", help_text, re.M))
    names = [line.split("=")[0].lstrip("-") for line in lines if line.startswith("-")]
    assert names and len(names) == len(set(names))
    assert {name if name in known else name.removeprefix("no") for name in names} <= known


def test_every_tool_is_told_of():
    """In the Makefile or in a document; those that became commands of the package are there under their new names."""
    files = [ROOT / "Makefile", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    tools = [path.name for path in (ROOT / "tools").iterdir() if path.suffix in (".py", ".sh")]
    forwarders = {name for name in tools if (ROOT / "ffgan_tf" / name).is_file()}
    assert len(tools) > len(forwarders) > 3
    assert not [name for name in tools if name not in forwarders and f"tools/{name}" not in text]
    assert not [name for name in forwarders if f"ffgan_tf.{name.removesuffix('.py')}" not in text]


def test_python_files_that_a_comment_tells_to_run_exist():
    for path in (ROOT / "experiments").glob("*.cfg"):
        for tool in re.findall(r"python (tools/\S+\.py)", path.read_text(encoding="utf-8")):
            assert (ROOT / tool).is_file(), f"{path.name} names {tool}"
