"""A time that is up ends what runs, also where Ctrl-C is ignored, as in a shell's background."""

from __future__ import annotations

import os
import signal
import time

import pytest

from samlib.runs.stopping import Terminated, minutes_left, terminable


@pytest.fixture(params=["in the foreground", "in the background"])
def place(request):
    """A shell's background ignores SIGINT, and what it starts inherits that."""
    before = signal.getsignal(signal.SIGINT)
    if request.param == "in the background":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield request.param
    signal.signal(signal.SIGINT, before)


def work(seconds: float, after: signal.Signals | None = None) -> None:
    if after is not None:
        os.kill(os.getpid(), after)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)


def test_what_takes_longer_than_its_time_is_ended_and_nothing_is_raised(place):
    handler, start = signal.getsignal(signal.SIGINT), time.monotonic()
    with minutes_left(0.3 / 60):
        work(20)
    assert 0.3 <= time.monotonic() - start < 10
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_is_done_in_time_is_let_be(place):
    for minutes in (1.0, None):
        done = []
        with minutes_left(minutes):
            work(0.05)
            done.append(minutes)
        assert done == [minutes]


def test_sigterm_comes_through_before_the_time_is_up(place):
    with pytest.raises(Terminated), terminable(), minutes_left(1.0):
        work(20, after=signal.SIGTERM)


def test_ctrl_c_comes_through_in_the_foreground_and_is_ignored_in_the_background():
    with pytest.raises(KeyboardInterrupt), minutes_left(1.0):
        work(20, after=signal.SIGINT)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with minutes_left(1.0):
            work(0.05, after=signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
