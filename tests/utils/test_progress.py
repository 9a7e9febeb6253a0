"""The status line's arithmetic against its closed form, on a clock that the test winds."""

import io

import pytest

from ffgan_tf.utils.progress import Progress, format_duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0:00"),
        (9.4, "0:09"),
        (59.6, "1:00"),
        (75, "1:15"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (3700, "1:01:40"),
        (360_000, "100:00:00"),
        (float("inf"), "?"),
        (float("nan"), "?"),
    ],
)
def test_format_duration(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    "start, done, total, seconds", [(0, 1200, 8189, 4.0), (0, 1, 100, 3.0), (500, 600, 1000, 50.0), (0, 100, 100, 7.0)]
)
def test_rate_and_eta(start, done, total, seconds):
    clock = Clock()
    progress = Progress("converting", total, "images", start=start, stream=io.StringIO(), clock=clock)
    clock.now += seconds
    progress.update(done)
    rate = (done - start) / seconds
    assert progress.rate() == pytest.approx(rate)
    assert progress.line() == (
        f"converting {done:,}/{total:,} ({100 * done // total}%) {rate:,.1f} images/s, "
        f"ETA {format_duration((total - done) / rate)}"
    )


def test_eta_is_unknown_before_the_first_item_and_never_negative():
    clock = Clock()
    progress = Progress("training", 10, stream=io.StringIO(), clock=clock)
    clock.now += 5
    assert progress.line().endswith("ETA ?")
    progress.update(12)  # more than was announced
    assert progress.line("loss 1.5").endswith("ETA 0:00  loss 1.5")


def test_nothing_to_do_is_no_error():
    stream = io.StringIO()
    Progress("converting", 0, stream=stream, clock=Clock()).close()
    assert stream.getvalue() == "converting 0/0 0.0 items/s, took 0:00\n"


def test_log_gets_whole_lines_and_few():
    clock, stream = Clock(), io.StringIO()
    progress = Progress("training", 100, "steps", stream=stream, log_every=10, clock=clock)
    for step in range(1, 101):
        clock.now += 0.5
        progress.update(step)
    progress.close("done")
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["20/100", "40/100", "60/100", "80/100", "100/100", "100/100"]
    assert lines[-1] == "training 100/100 2.0 steps/s, took 0:50  done"
    assert "\r" not in stream.getvalue()


def test_terminal_is_redrawn_in_place_and_a_longer_line_leaves_no_rest(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    clock, stream = Clock(), Terminal()
    progress = Progress("sampling", 10, stream=stream, every=0.2, clock=clock)
    for done, note in ((1, "a note that is long"), (2, ""), (3, "drawn")):
        clock.now += 0.15
        progress.update(done, note)
    progress.close()
    first, third, last = stream.getvalue().split("\r")[1:]
    assert "1/10" in first and first.endswith("a note that is long")
    assert "3/10" in third and len(third) >= len(first)  # the second came too soon to be drawn
    assert "took" in last and last.endswith("\n") and "\n" not in first + third


def test_terminal_line_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    Progress("converting", 10, stream=stream, clock=Clock()).update(5, "a note that does not fit")
    assert 0 < len(stream.getvalue().strip("\r")) < 40
