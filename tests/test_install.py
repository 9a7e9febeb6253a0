"""A plain `pip install .` into a fresh environment brings every command, every recipe and every file of the package.

The environment sees the packages of this one through a .pth file, so that nothing is downloaded; this checkout is not
on its path.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("ffgan_tf", "experiments", "setup.py", "pyproject.toml", "README.md", "LICENSE")
UNTRACKED = shutil.ignore_patterns("__pycache__", "*.egg-info")
pytestmark = pytest.mark.slow


def source_files(folder):
    """Names of the files below `folder`, but for what Python or an editor leaves there."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts) and path.name[0] != "."
    }


class Environment:
    """A fresh virtual environment in `folder`, with the project installed, and an empty folder to work in."""

    def __init__(self, folder):
        self.folder, self.work = folder / "venv", folder / "work"
        self.work.mkdir()
        checkout = folder / "checkout"
        checkout.mkdir()
        for name in NEEDED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, checkout / name, ignore=UNTRACKED)
            else:
                shutil.copy(ROOT / name, checkout / name)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder], check=True, timeout=300)
        self.python = self.folder / "bin" / "python"
        self.packages = Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))
        (self.packages / "this_environment.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed", "--quiet"]
        done = self.run(self.python, "-m", "pip", "--disable-pip-version-check", "install", *options, checkout)
        assert done.returncode == 0, done.stderr
        shutil.rmtree(checkout)

    def run(self, *command):
        """Runs a command in the empty folder, without a PYTHONPATH."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [*map(str, command)], cwd=self.work, env=clean, capture_output=True, text=True, timeout=600
        )

    def command(self, name, *arguments):
        """Runs an installed command by its name."""
        return self.run(self.folder / "bin" / name, *arguments)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    pytest.importorskip("pip", reason="this environment has no pip to install with")
    return Environment(tmp_path_factory.mktemp("installed"))


def installed_commands(environment):
    """{name of the script: module} as the installed copy declares them."""
    (distribution,) = importlib.metadata.distributions(name="ffgan-tf", path=[str(environment.packages)])
    return {entry.name: entry.module for entry in distribution.entry_points if entry.group == "console_scripts"}


def test_the_package_is_the_installed_one_and_whole(installed):
    shown = installed.run(installed.python, "-c", "import ffgan_tf; print(ffgan_tf.__file__)").stdout.strip()
    package = installed.packages / "ffgan_tf"
    assert Path(shown) == package / "__init__.py"
    expected = source_files(ROOT / "ffgan_tf") | {f"experiments/{name}" for name in source_files(ROOT / "experiments")}
    assert source_files(package) == expected


def test_every_module_that_is_a_command_has_a_script(installed):
    commands = {
        f"ffgan_tf.{path.stem}"
        for path in (ROOT / "ffgan_tf").glob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    scripts = installed_commands(installed)
    assert {"ffgan-train", "ffgan-sample", "ffgan-convert-cub", "ffgan-import-attngan-encoder"} <= set(scripts)
    assert set(scripts.values()) == commands
    assert all(name == module.replace("ffgan_tf.", "ffgan-").replace("_", "-") for name, module in scripts.items())


def test_every_command_shows_its_help_and_refuses_an_unknown_flag(installed):
    for name, module in installed_commands(installed).items():
        help_ = installed.command(name, "--help")
        shown = help_.stdout
        assert help_.returncode == 0, name
        assert f"python -m {module} " in shown and "\n  --" in shown, f"{name} --help:\n{shown}"
        refused = installed.command(name, "--nonsense")
        assert refused.returncode == 2, name
        assert refused.stderr.startswith("error: ") and "nonsense" in refused.stderr, name


@pytest.mark.parametrize("recipe", ["experiments/demo.cfg", "demo.cfg"])
def test_a_recipe_is_found_from_any_folder(installed, recipe):
    """demo.cfg names --data=demo_data/records, which is not in this empty folder."""
    done = installed.command("ffgan-train", f"--flagfile={recipe}")
    assert done.returncode == 2 and "\nerror: demo_data/records: no such data folder" in done.stderr
    taken = installed.packages / "ffgan_tf" / "experiments" / "demo.cfg"
    assert done.stderr.startswith(f"--flagfile={recipe}: taken from {taken}\n")


def test_an_unknown_recipe_lists_those_that_are_there(installed):
    done = installed.command("ffgan-train", "--flagfile=experiments/cube.cfg")
    assert done.returncode == 2 and "error: --flagfile=experiments/cube.cfg: no such file" in done.stderr
    assert all(f"experiments/{path.name}" in done.stderr for path in (ROOT / "experiments").glob("*.cfg"))


def test_from_nothing_to_records(installed):
    """The converters start worker processes, which must find the package, too."""
    done = installed.command(
        "ffgan-make-demo-dataset", "--out=birds", "--train_classes=2", "--test_classes=1", "--images_per_class=2"
    )
    assert done.returncode == 0, done.stderr
    options = ("--cub=birds", "--out=records", "--image_size=16", "--workers=2")
    converted = installed.command("ffgan-convert-cub", *options)
    assert converted.returncode == 0 and "train: 4 images, 40 captions" in converted.stdout, converted.stderr
    verified = installed.command("ffgan-verify-records", "--data=records")
    assert verified.returncode == 0 and "every byte as written" in verified.stdout, verified.stderr
