"""A finished library: its files, their checksums, where it comes from; made once, given to later runs."""

import json
from collections.abc import Sequence
from pathlib import Path

from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.provenance import file_sha256, write_json

__all__ = ["check_library_files", "check_library_sizes", "read_library", "write_library"]

#: What a library file says it is.
_KIND = "scPerturb-CMap library 1"

_REMEDY = "Give the <reference>.library.json that BUILD_REFERENCE wrote, with the files beside it."


def write_library(digests: dict[Path, str], path: Path, reference: str, **about: object) -> None:
    """Describe a finished library, last of all: without this file its shards are not taken for complete.

    Parameters
    ----------
    digests
        Its shards and tables, which lie beside ``path`` -> their SHA-256.
    path
        Ends in .library.json.
    reference
        Name of the reference.
    about
        Whatever else belongs to it: effect, counts, source files with checksums, licence, code digest.
    """
    listed = [{"file": f.name, "sha256": digests[f], "bytes": f.stat().st_size} for f in sorted(digests)]
    write_json({"kind": _KIND, "reference": reference, "files": listed, **about}, path)


def read_library(path: Path, row: dict[str, str]) -> dict:
    """Read the description of a library.

    Parameters
    ----------
    path
        The .library.json file.
    row
        Row of the reference sheet: its name must be the library's, since the shards hold it.

    Raises
    ------
    InputError
        It is missing, no library file, or of another reference.
    """
    require_data(path, row["path"])
    try:
        about = json.loads(Path(path).read_text())
        if about["kind"] != _KIND or not all({"file", "sha256", "bytes"} <= set(entry) for entry in about["files"]):
            raise ValueError
        if not any(str(entry["file"]).endswith(".h5ad") for entry in about["files"]):
            raise ValueError
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        raise InputError(Problem(row["path"], "", "It does not describe a library.", _REMEDY)) from None
    if not any(str(entry["file"]).endswith(".reference_queries.h5ad") for entry in about["files"]):
        wrong = "It was made by an earlier version, without reference queries."
        raise InputError(Problem(row["path"], "files", wrong, "Build it again from its source."))
    if about["reference"] != row["reference"]:
        wrong = f"It is the library of {about['reference']!r}, in the sheet it is called {row['reference']!r}."
        raise InputError(Problem(row["path"], "reference", wrong, "Give it its own name in the reference sheet."))
    return about


def check_library_sizes(about: dict, sizes: dict[str, int], name: str) -> None:
    """Check that the files of a library are there and as large as they were, before any of them is read.

    Parameters
    ----------
    about
        As :func:`read_library` gives it.
    sizes
        File beside it -> bytes.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        With every file that is missing or of another size.
    """
    problems = []
    for entry in about["files"]:
        if entry["file"] not in sizes:
            problems.append(Problem(name, entry["file"], "It is not beside the library file.", _REMEDY))
        elif sizes[entry["file"]] != entry["bytes"]:
            wrong = f"It has {sizes[entry['file']]:,} bytes, and had {entry['bytes']:,} when the library was made."
            problems.append(Problem(name, entry["file"], wrong, "Copy or build it again."))
    if problems:
        raise InputError(problems)


def check_library_files(about: dict, files: Sequence[Path], name: str) -> None:
    """Check that the files of a library are there and what they were.

    Parameters
    ----------
    about
        As :func:`read_library` gives it.
    files
        Files found beside it.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        With every file that is missing or has changed.
    """
    there = {Path(path).name: Path(path) for path in files}
    check_library_sizes(about, {file: path.stat().st_size for file, path in there.items()}, name)
    changed = "It has changed since the library was made."
    problems = [
        Problem(name, entry["file"], changed, "Copy or build it again.")
        for entry in about["files"]
        if file_sha256(there[entry["file"]]) != entry["sha256"]
    ]
    if problems:
        raise InputError(problems)
