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
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
        **options,
    )


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


def test_a_full_disk_is_the_users_to_mend_wherever_it_is_met(tmp_path):
    result = run("import os; os.write(os.open('/dev/full', os.O_WRONLY), b'x')")  # a write's error names no file
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: a file: cannot be written ([Errno 28] No space left on device). Fix: make room "
        "on that disk, then run the same command again.\n"
    )
    named = run(f"raise OSError(28, 'No space left on device', {str(tmp_path / 'x')!r})")
    assert named.returncode == 2 and named.stderr.startswith(f"error: {tmp_path / 'x'}: cannot be written")


def test_a_file_that_the_system_refuses_is_the_users_to_fix_wherever_it_is_met():
    other = run("open('/no/such/file')")
    assert (other.returncode, other.stderr) == (
        2,
        "error: /no/such/file: No such file or directory. Fix: make it one that can be read and written, or name "
        "another.\n",
    )
    nameless = run("raise OSError(111, 'Connection refused')")
    assert nameless.returncode == 1 and "Traceback" in nameless.stderr


def test_a_name_that_is_not_utf8_can_be_told():
    result = run(r"raise UserError('caf\udce9: no such file')", encoding="utf-8")
    assert (result.returncode, result.stderr) == (2, "error: caf\\udce9: no such file\n")


def test_output_that_nobody_reads_any_more_is_no_error():
    result = run("os = __import__('os'); r, w = os.pipe(); os.close(r); os.dup2(w, 1); print('x' * 10, flush=True)")
    assert (result.returncode, result.stderr) == (141, "")


def test_what_cannot_be_written_is_named_with_its_mend(tmp_path):
    with (
        pytest.raises(errors.UserError, match=f"{tmp_path}: cannot be written .*Fix: make room"),
        errors.report_write_errors(tmp_path),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")
    (tmp_path / "file").touch()
    with (
        pytest.raises(errors.UserError, match=r"place: cannot be written \(.*Not a directory.*Fix: name another place"),
        errors.report_write_errors("place"),
    ):
        (tmp_path / "file" / "below").mkdir()
    with pytest.raises(ZeroDivisionError), errors.report_write_errors("place"):
        1 // 0


def test_tensorflows_words_are_cut_to_the_point():
    tensorflow = pytest.importorskip("tensorflow")
    with pytest.raises(errors.UserError) as error, errors.report_write_errors("run/checkpoints"):
        raise tensorflow.errors.ResourceExhaustedError(
            None, None, "{{function_node __wrapped__SaveV2}} a/b.tempstate1; No space left on device [Op:SaveV2]\n\tX"
        )
    assert str(error.value) == (
        "run/checkpoints: cannot be written (a/b.tempstate1; No space left on device). Fix: "
        "make room on that disk, then run the same command again."
    )


def test_a_defect_keeps_its_traceback():
    result = run("return 1 // 0")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr and "line" in result.stderr
