"""Locks between processes, on one machine or on a folder that machines share; they end with their process."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path) -> Iterator[bool]:
    """Whether this process alone has the lock while it lasts; never waits. A killed process leaves no lock behind.

    Where the system knows no such locks (Windows, some network file systems) everybody has it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        yield True
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except OSError as error:
            mine = error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        yield mine
