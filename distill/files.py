"""How does a result reach the disk? Whole, or not at all."""

import os
from pathlib import Path

from distill.errors import DistillError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, whatever happens in between; raises DistillError."""
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise DistillError(
            f"{path}: cannot be written ({error.strerror}). Make room and run the same command "
            f"again: what is finished is kept"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
