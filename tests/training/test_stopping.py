"""Why a training stops, by signals and a clock that the test moves."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from runs import ROOT

from ffgan_tf.run.signals import StopRequest
from ffgan_tf.training.schedule import Stop
from ffgan_tf.training.stopping import Stopping


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal():
    """Under nohup the tests' own process would ignore SIGHUP, and so would its children."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Minutes:
    def __init__(self):
        self.passed = 0.0

    def __call__(self) -> float:
        return 60 * self.passed


def test_max_minutes_are_minutes():
    clock = Minutes()
    clock.passed = 100.0  # a process begins at any reading of its clock
    stopping = Stopping(StopRequest(), max_minutes=1.5, clock=clock)
    clock.passed = 101.5
    assert stopping.at(3) is None  # not yet over
    clock.passed = 101.6
    assert stopping.at(4) == Stop("time", "--max_minutes=1.5 are over")
    clock.passed = 10**6
    assert Stopping(StopRequest(), max_minutes=0, clock=clock).at(9) is None  # 0: no limit


def test_workers_stop_together_and_only_at_a_status():
    """What one worker wants is asked of all, at the steps at which all ask."""
    clock, wishes, others = Minutes(), [], [False]
    stopping = Stopping(StopRequest(), 1, 5, lambda own: wishes.append(own) or own or others[0], clock)
    assert stopping.at(5) is None and wishes == [False]
    clock.passed = 2
    assert stopping.at(9) is None and wishes == [False]  # between two statuses nobody is asked
    assert stopping.at(10) == Stop("time", "--max_minutes=1 are over") and wishes == [False, True]
    clock.passed, others[0] = 0.5, True
    assert stopping.at(15) == Stop("worker", "another worker stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_and_comes_before_the_time(number, capfd):
    clock = Minutes()
    before = signal.getsignal(number)
    with StopRequest() as request:
        stopping = Stopping(request, max_minutes=1, clock=clock)
        assert stopping.at(1) is None
        os.kill(os.getpid(), number)
        clock.passed = 5
        assert stopping.at(2) == Stop("signal", f"{number.name} received")
    assert signal.getsignal(number) == before
    assert f"{number.name}: saving after this step" in capfd.readouterr().err


def test_a_second_ctrl_c_interrupts():
    with StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_workers_stop_at_one_step_or_none():
    """Two workers, of which the first is told at step 4: both hear of it at the next multiple of --log_every."""
    requests = [StopRequest(), StopRequest()]
    requests[0].asked = "SIGTERM"
    workers = [Stopping(request, 0, 5, lambda own: any(request.asked for request in requests)) for request in requests]
    assert [worker.at(4) for worker in workers] == [None, None]
    assert [worker.at(5) for worker in workers] == [
        Stop("signal", "SIGTERM received"),
        Stop("worker", "another worker stopped"),
    ]
    requests[0].asked = None
    assert [worker.at(10) for worker in workers] == [None, None]


LOOP = """
import sys, time
from pathlib import Path
from ffgan_tf.run.signals import StopRequest
with StopRequest() as request:
    print("ready", flush=True)
    end = time.monotonic() + 60
    while not request.asked and time.monotonic() < end:
        time.sleep(0.01)
    print("a status line", flush=True)  # raised EIO once the terminal was gone
Path(sys.argv[1]).write_text(str(request.asked))
"""


def test_a_closed_terminal_is_a_signal_and_no_error(tmp_path):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, str(tmp_path / "asked")],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # it becomes the controlling terminal
    )
    os.close(slave)
    assert b"ready" in os.read(master, 100)
    os.close(master)
    assert process.wait(60) == 0
    assert (tmp_path / "asked").read_text() == "SIGHUP"


def test_nohup_stays_nohup(tmp_path):
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", LOOP, str(tmp_path / "asked")], stdout=subprocess.PIPE, cwd=ROOT, stderr=2
    )
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0 and (tmp_path / "asked").read_text() == "SIGTERM"
    process.stdout.close()
