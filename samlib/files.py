"""Files that an interruption leaves whole, and the hashes by which they know what they belong to."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

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


def hash_tensors(*tensors: Tensor) -> str:
    """A hash of values, types and shapes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
