"""Whether two published files are the same: byte for byte, and where a file holds times or random names, by content."""

import gzip
import json
import re
import zipfile
from io import BytesIO
from pathlib import Path

import h5py

#: Of the run itself: when what ran, and on what.
OF_THE_RUN = re.compile(r"pipeline_info/execution_(trace\.txt|report\.html)(\.\d+)?")


def published(folder: Path) -> dict[str, Path]:
    """Every published file: its name inside the folder -> where it is."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if not OF_THE_RUN.fullmatch(name)}


def same(one: Path, other: Path) -> bool:
    """Whether two files of the same name hold the same."""
    raw = one.read_bytes(), other.read_bytes()
    if raw[0] == raw[1]:
        return True
    try:
        return comparable(one.name, raw[0]) == comparable(other.name, raw[1])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False  # one of them is damaged


def comparable(name: str, raw: bytes) -> object:
    """Content of a file without what is another in every run.

    Executed notebooks hold when each cell ran, pages the random names that plotly gives its figures, archives and compressed
    tables the same and their own dates.
    """
    ending = Path(name).suffix
    if ending in (".zip", ".xlsx"):
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            return {
                entry: comparable(entry, archive.read(entry)) for entry in archive.namelist() if "docProps" not in entry
            }
    if ending == ".ipynb":
        notebook = json.loads(raw)
        return [
            (cell["cell_type"], cell["source"], steady(json.dumps(cell.get("outputs", []))))
            for cell in notebook["cells"]
        ]
    if ending in (".html", ".js"):
        return steady(raw.decode())
    if ending == ".gz":
        return gzip.decompress(raw)
    if ending == ".h5ad":
        return of_hdf5(raw)
    return raw


def steady(text: str) -> str:
    """Text without random names: those of plotly's figures and of pandas' styled tables."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|T_[0-9a-f]{5}", "-", text)


def of_hdf5(raw: bytes) -> dict:
    """Every dataset and attribute of an HDF5 file, as bytes."""
    found = {}
    with h5py.File(BytesIO(raw), "r") as file:

        def visit(name: str, node: h5py.Dataset | h5py.Group) -> None:
            found[name] = {key: str(value) for key, value in node.attrs.items()}
            if isinstance(node, h5py.Dataset):
                found[name]["values"] = str(node[()].tolist()) if node.dtype == object else node[()].tobytes()

        file.visititems(visit)
    return found
