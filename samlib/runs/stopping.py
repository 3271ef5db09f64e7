"""Ends that lose nothing: Ctrl-C, SIGTERM, and a time that is up."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM came, as a cluster's scheduler sends it."""


@contextmanager
def terminable() -> Iterator[None]:
    """While it lasts, SIGTERM ends as Ctrl-C does: what must be undone is undone."""

    def end(*_: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def minutes_left(minutes: float | None) -> Iterator[None]:
    """What takes longer is ended as by Ctrl-C, but as if it had been done. None: no limit."""
    up = threading.Event()

    def end() -> None:
        up.set()
        _thread.interrupt_main()

    def ignored_till_then(*_: Any) -> None:
        if up.is_set():
            raise KeyboardInterrupt

    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in a shell's background
    if ignored and minutes is not None:
        signal.signal(signal.SIGINT, ignored_till_then)
    timer = threading.Timer(0 if minutes is None else 60 * minutes, end)
    timer.daemon = True
    if minutes is not None:
        timer.start()
    try:
        yield
    except KeyboardInterrupt as error:
        if not up.is_set() or isinstance(error, Terminated):
            raise
    finally:
        timer.cancel()
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
