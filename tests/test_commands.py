"""What all commands share: flags, messages, exit codes; recipes by name; the old names of those that were tools."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ffgan_tf.config import recipes
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = '''"""A made-up command.   python -m program --size=3"""
import os, sys
from absl import flags
from ffgan_tf.config.commands import run_command
from ffgan_tf.utils.errors import UserError

def define_flags():
    flags.DEFINE_string("name", "", "Whose it is.")
    flags.DEFINE_integer("size", 2, "How large.", lower_bound=1)

def main(argv):
    print(flags.FLAGS.name, flags.FLAGS.size, argv[1:], os.environ["TF_CPP_MIN_LOG_LEVEL"], "tensorflow" in sys.modules)
    if flags.FLAGS.size == 9:
        raise UserError("--size=9: too large. Fix: --size=8")
    return flags.FLAGS.size - 1

def cli():
    run_command(main, define_flags, required=["name"]{options})

if __name__ == "__main__":
    cli()
'''


@pytest.fixture
def program(tmp_path):
    """Runs the made-up command `python -m program`, with further arguments of run_command."""

    def run(*arguments, options="", start=("-m", "program")):
        (tmp_path / "program.py").write_text(PROGRAM.replace("{options}", options), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{tmp_path}"
        command = [sys.executable, *start, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    return run


def test_what_main_returns_is_the_exit_code(program):
    assert program("--name=me") == (1, "me 2 [] 3 False\n", "")
    assert program("--name=me", "--size=1") == (0, "me 1 [] 3 False\n", "")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--name is missing: Whose it is. Fix: see python -m program --help"),
        (["--name="], "--name is missing: Whose it is. Fix: see python -m program --help"),
        (["--name=me", "x"], "'x' is no flag. Fix: see python -m program --help"),
        (["--name=me", "--size=9"], "--size=9: too large. Fix: --size=8"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(program, arguments, message):
    code, _, stderr = program(*arguments)
    assert (code, stderr) == (2, f"error: {message}\n")


@pytest.mark.parametrize("wrong", ["--size=0", "--size=x", "--sise=1", "--flagfile=none.cfg"])
def test_a_wrong_flag_is_named(program, wrong):
    code, stdout, stderr = program("--name=me", wrong)
    assert (code, stdout) == (2, "") and stderr.startswith("error: ") and "Traceback" not in stderr
    assert wrong.split("=")[0].lstrip("-") in stderr


def test_arguments_that_are_no_flags(program):
    options = ", arguments=2, wanted='Two files are wanted.'"
    assert program("--name=me", "a", "b", options=options)[1] == "me 2 ['a', 'b'] 3 False\n"
    for arguments in ([], ["a"], ["a", "b", "c"]):
        code, stdout, stderr = program("--name=me", *arguments, options=options)
        assert (code, stdout, stderr) == (2, "", "error: Two files are wanted. Fix: see python -m program --help\n")


@pytest.mark.parametrize(
    "start", [("-m", "program"), ("-c", "from program import cli; cli()")], ids=["module", "script"]
)
def test_help_shows_the_command_s_own_flags_and_its_docstring(program, start):
    """An installed script imports the command, as the second way does."""
    _, stdout, _ = program("--help", start=start)
    assert "A made-up command.   python -m program --size=3" in stdout
    assert "--name=TEXT\n      Whose it is.\n  --size=N\n      How large." in stdout
    assert "--verbosity" not in stdout  # absl's own


def test_a_recipe_by_name_and_a_file_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipes.find_recipe("experiments/cub.cfg").read_bytes() == (ROOT / "experiments" / "cub.cfg").read_bytes()
    assert recipes.find_recipe("cub.cfg") == recipes.find_recipe("experiments/cub.cfg")
    (tmp_path / "cub.cfg").write_text("--batch=3\n", encoding="utf-8")
    assert recipes.find_recipe("cub.cfg").read_text(encoding="utf-8") == "--batch=3\n"
    for name in ("elsewhere/cub.cfg", "cub", "experiments/none.cfg", "experiments"):
        with pytest.raises(UserError, match=rf"--flagfile={name}: no such file.*experiments/cub\.cfg"):
            recipes.find_recipe(name)


FORWARDERS = sorted(path.stem for path in (ROOT / "tools").glob("*.py") if (ROOT / "ffgan_tf" / path.name).is_file())


def test_what_was_a_tool_is_a_command_now():
    """The names that README, runs and scripts of before have."""
    old = {"convert_cub", "convert_folder", "convert_oxford102", "verify_records", "make_demo_dataset"}
    assert set(FORWARDERS) == old | {"import_attngan_encoder"}


@pytest.mark.parametrize("name", FORWARDERS)
def test_the_tool_s_old_name_calls_the_command(name):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, f"tools/{name}.py", "--help"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert re.search(rf"python -m ffgan_tf\.{name} ", done.stdout), done.stderr
