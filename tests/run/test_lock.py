"""One process a run folder, whoever holds it and wherever."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffgan_tf.run import lock
from ffgan_tf.run.lock import run_lock
from ffgan_tf.utils.errors import UserError

ROOT = Path(__file__).parents[2]
HOLD = (
    "import socket, sys, time; socket.gethostname = lambda: sys.argv[2]; "
    "from ffgan_tf.run.lock import run_lock\n"
    "with run_lock(sys.argv[1]): print('locked', flush=True); time.sleep(60)"
)


@contextlib.contextmanager
def holder(folder: Path, host: str) -> Iterator[subprocess.Popen]:
    """A process that holds the lock, of a host of that name."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), host], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "locked\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("host", [socket.gethostname(), "node-17"])
def test_a_live_lock_is_refused_by_host_and_pid_and_stays_its_holders(tmp_path, host):
    with holder(tmp_path, host) as process:
        holder_line = f"host {host} pid {process.pid}"
        for _ in range(2):  # being refused takes nothing from the one that trains
            with pytest.raises(
                UserError, match=rf"{tmp_path / 'lock'}: another process trains in this folder \({holder_line}\)"
            ):
                with run_lock(tmp_path):
                    pytest.fail("two processes in one folder")
        assert (tmp_path / "lock").read_text() == f"{holder_line}\n" and process.poll() is None


@pytest.mark.parametrize("host", [socket.gethostname(), "node-17"])
def test_a_stale_lock_blocks_nobody(tmp_path, host):
    """Killed: the file stays, the kernel's lock goes with the process."""
    with holder(tmp_path, host) as process:
        pass
    assert (tmp_path / "lock").read_text() == f"host {host} pid {process.pid}\n"
    with run_lock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"host {socket.gethostname()} pid {os.getpid()}\n"


def test_the_pid_of_a_stale_lock_may_be_in_use_again(tmp_path):
    """A number alone would block the run: this very process has it."""
    (tmp_path / "lock").write_text(f"host {socket.gethostname()} pid {os.getpid()}\n")
    with run_lock(tmp_path):
        pass


def test_a_folder_is_free_again_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), run_lock(tmp_path):
        1 // 0
    with run_lock(tmp_path):
        pass


def test_the_first_process_makes_the_folder(tmp_path):
    with run_lock(tmp_path / "runs" / "new"):
        assert (tmp_path / "runs" / "new" / "lock").is_file()


def test_a_file_system_that_has_no_locks_is_said(tmp_path, monkeypatch, capsys):
    def refuse(file, kind):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with run_lock(tmp_path / "run"):
        assert f"pid {os.getpid()}" in (tmp_path / "run" / "lock").read_text()
    assert f"warning: {tmp_path / 'run' / 'lock'}: this file system has no locks" in capsys.readouterr().err
