"""Writing files so that an interruption leaves the old one or the new one, never half of one."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, content: bytes, name: str) -> None:
    """Write `content` to `path` whole or not at all; what stood there stays if writing fails.

    Raises:
        OSError: it could not be written, no room on disk for instance; `name` is the argument that gave the path.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, f"{name}={str(path)!r} could not be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
