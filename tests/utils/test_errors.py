"""Exit codes and messages, as a shell sees them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ffgan_tf.utils import errors

ROOT = str(Path(errors.__file__).parents[2])
PROGRAM = """
import sys
from absl import app
from ffgan_tf.utils.errors import UserError, exit_code_main

def main(argv):
    {body}

app.run(exit_code_main(main))
"""


def run(body, **options):
    """Runs a command whose main has `body`; returns the completed process."""
    return subprocess.run([sys.executable, "-c", PROGRAM.format(body=body)], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": ROOT}, **options)


@pytest.mark.parametrize("body, code", [("return None", 0), ("return 0", 0), ("return 3", 3), ("sys.exit(4)", 4)])
def test_what_main_returns_is_the_exit_code(body, code):
    result = run(body)
    assert (result.returncode, result.stdout, result.stderr) == (code, "", "")


def test_user_error_is_one_message_and_exit_code_2():
    result = run("raise UserError('birds/text is missing: …')")
    assert (result.returncode, result.stdout, result.stderr) == (2, "", "error: birds/text is missing: …\n")


def test_ctrl_c_is_exit_code_130_without_a_traceback():
    # A test run in the background has SIGINT ignored, and its children inherit that.
    code = "import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
    result = run(f"{code}os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", timeout=30)
    assert (result.returncode, result.stderr) == (128 + signal.SIGINT, "interrupted\n")


def test_a_defect_keeps_its_traceback():
    result = run("return 1 // 0")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr and "line" in result.stderr
