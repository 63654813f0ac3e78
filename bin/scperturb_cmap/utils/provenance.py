"""What was run, on what: checksums, and each stage's metrics file."""

import hashlib
import json
from pathlib import Path

from scperturb_cmap.utils.files import whole_file

__all__ = ["file_sha256", "write_json"]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in blocks.

    Parameters
    ----------
    path
        An existing file.

    Returns
    -------
    Hexadecimal digest.
    """
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_json(content: dict, path: Path) -> None:
    """Write a dictionary as sorted, indented JSON."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2, sort_keys=True, default=str) + "\n")
