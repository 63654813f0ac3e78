"""A finished library: its files, their checksums, where it comes from; made once, given to later runs."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from scperturb_cmap.io.json_files import read_json
from scperturb_cmap.io.tables import read_text_table
from scperturb_cmap.utils.errors import InputError, Problem, attempt
from scperturb_cmap.utils.provenance import file_sha256, write_json

__all__ = [
    "check_library_files", "check_library_sizes", "read_compounds", "read_libraries", "read_library",
    "shards_of", "write_library",
]  # fmt: skip

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
    about = read_json(path, ("kind", "reference", "files"), remedy=_REMEDY, name=row["path"])
    entries = about["files"] if isinstance(about["files"], list) else [None]
    if (
        about["kind"] != _KIND
        or not all(map(_is_entry, entries))
        or not any(e["file"].endswith(".h5ad") for e in entries)
    ):
        raise InputError(Problem(row["path"], "", "It does not describe a library.", _REMEDY))
    if not any(entry["file"].endswith(".reference_queries.h5ad") for entry in entries):
        wrong = "It was made by an earlier version, without reference queries."
        raise InputError(Problem(row["path"], "files", wrong, "Build it again from its source."))
    if about["reference"] != row["reference"]:
        wrong = f"It is the library of {about['reference']!r}, in the sheet it is called {row['reference']!r}."
        raise InputError(Problem(row["path"], "reference", wrong, "Give it its own name in the reference sheet."))
    return about


def _is_entry(entry: object) -> bool:
    """Whether it tells of a file beside the library file, and of no other."""
    if not isinstance(entry, dict):
        return False
    file, digest, size = (entry.get(key) for key in ("file", "sha256", "bytes"))
    named = isinstance(file, str) and re.fullmatch(r"[^/\\\0\n]+", file) and file not in (".", "..")
    return bool(named and isinstance(digest, str) and isinstance(size, int))


def read_libraries(paths: Sequence[Path], needs: Sequence[str] = ()) -> dict[str, dict]:
    """Descriptions of the libraries of a run, by the name of the reference.

    Parameters
    ----------
    paths
        Files that BUILD_REFERENCE wrote.
    needs
        What each must tell besides its name.

    Raises
    ------
    InputError
        With every file that is missing, damaged, or no description of a library.
    """
    problems: list[Problem] = []
    found = [
        attempt(problems, lambda path=path: read_json(path, ("reference", *needs), remedy=_REMEDY)) for path in paths
    ]
    problems += [
        Problem(path.name, key, f"It is {about[key]!r}.", _REMEDY)
        for path, about in zip(paths, found, strict=True)
        for key, kind in (("reference", str), ("effect", str), ("n_signatures", int))
        if about is not None and not isinstance(about.get(key, kind()), kind)
    ]
    if problems:
        raise InputError(problems)
    # earlier versions did not tell what was measured
    return {about["reference"]: {"assay": "bulk"} | about for about in found}


def read_compounds(paths: Sequence[Path], libraries: Collection[str]) -> dict[str, pd.DataFrame]:
    """Tables of compounds of the libraries of a run, by the name of the reference.

    Parameters
    ----------
    paths
        Files called ``<reference>.compounds.tsv``.
    libraries
        References that need one.

    Raises
    ------
    InputError
        With every table that is missing, damaged, or lacks a column.
    """
    problems: list[Problem] = []
    remedy, tables = "Give the <reference>.compounds.tsv that BUILD_REFERENCE wrote.", {}
    for path in paths:
        table = attempt(problems, read_text_table, path)
        for column in ("compound_id", "inchi_keys", "pert_ids") if table is not None else ():
            if column not in table:
                problems.append(Problem(path.name, f"column '{column}'", "The column is missing.", remedy))
        tables[path.name.removesuffix(".compounds.tsv")] = table
    lost = [name for name in libraries if name not in tables]
    problems += [Problem(f"{name}.compounds.tsv", "", "It is not there.", remedy) for name in lost]
    if problems:
        raise InputError(problems)
    return tables


def shards_of(paths: Sequence[Path], libraries: dict[str, dict], searched: Sequence[str] = ()) -> dict[str, list[Path]]:
    """Shards of each library, by the names of the files, in their order.

    Parameters
    ----------
    paths
        Files called ``<reference>.shard_<n>.h5ad``.
    libraries
        As :func:`read_libraries` gives them.
    searched
        Names of references that must be among them.

    Raises
    ------
    InputError
        A shard belongs to no library, a library has no shard, or a name is not among them.
    """
    files: dict[str, list[Path]] = {name: [] for name in sorted(libraries)}
    problems = [
        Problem("--searched", name, "It is not among the libraries.", f"Choose among {', '.join(files)}.")
        for name in searched
        if name not in files
    ]
    for path in sorted(paths, key=lambda path: path.name):
        name = path.name.rsplit(".shard_", 1)[0]
        if name in files:
            files[name].append(path)
        else:
            problems.append(
                Problem(path.name, "", "It belongs to none of the libraries.", f"Give {name}.library.json too.")
            )
    problems += [
        Problem(f"{name}.library.json", "", "None of its shards is there.", "Give them with --shards.")
        for name, mine in files.items()
        if not mine
    ]
    if problems:
        raise InputError(problems)
    return files


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
