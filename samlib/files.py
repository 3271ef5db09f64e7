"""Files that an interruption leaves whole, and the hashes by which they know what they belong to."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


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


def save_whole(path: Path, content: Any, name: str) -> None:
    """`torch.save` to `path`, whole or not at all. Raises as `write_atomically`."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(path, buffer.getvalue(), name)


def load_whole(path: Path, name: str, device: torch.device | str = "cpu") -> Any:
    """What `save_whole` wrote to `path`, its tensors on `device`; `name` is the argument that gave the path.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not whole, or holds something else than tensors and plain values.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise OSError(error.errno, f"{name}={str(path)!r} could not be read: {error.strerror}") from error
    try:
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # torch.load raises whatever the broken bytes lead it to
        raise ValueError(
            f"{name}={str(path)!r} is not a whole checkpoint ({type(error).__name__}: {error}); "
            "remove it or choose another name to start anew."
        ) from error


def hash_tensors(*tensors: Tensor) -> str:
    """A hash of values, types and shapes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
