"""Whether two published files are the same: byte for byte, and where a file holds times or random names, by content."""

import json
import re
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

#: Of the run itself: when what ran, and on what.
CRATE = "ro-crate-metadata.json"
OF_THE_RUN = re.compile(rf"pipeline_info/execution_(trace\.txt|report\.html)(\.\d+)?|{CRATE}")


def published(folder: Path) -> dict[str, Path]:
    """Every published file: its name inside the folder -> where it is."""
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path for name, path in files.items() if not OF_THE_RUN.fullmatch(name)}


def crate_checksums(folder: Path) -> dict[str, str]:
    """The files that the crate of these results lists with a checksum: name inside the folder -> SHA-256. Inputs are left out."""
    entities = json.loads((folder / CRATE).read_text())["@graph"]
    files = [about for about in entities if "File" in about["@type"] and "sha256" in about]
    return {unquote(about["@id"]): about["sha256"] for about in files if not about["@id"].startswith("ni:")}


def same(one: Path, other: Path) -> bool:
    """Whether two files of the same name hold the same."""
    raw = one.read_bytes(), other.read_bytes()
    if raw[0] == raw[1]:
        return True
    try:
        return comparable(one.name, raw[0]) == comparable(other.name, raw[1])
    except (ValueError, KeyError, zipfile.BadZipFile):
        return False  # one of them is damaged


def comparable(name: str, raw: bytes) -> object:
    """Content of a file without what is another in every run; of most files nothing is.

    Executed notebooks hold when each cell ran, pages the random names that plotly and pandas give to figures and tables, and
    the archive of the report those pages.
    """
    ending = Path(name).suffix
    if ending == ".zip":
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            return {entry: comparable(entry, archive.read(entry)) for entry in archive.namelist()}
    if ending == ".ipynb":
        cells = json.loads(raw)["cells"]
        return [(cell["cell_type"], cell["source"], steady(json.dumps(cell.get("outputs", [])))) for cell in cells]
    return steady(raw.decode()) if ending == ".html" else raw


def steady(text: str) -> str:
    """Text without random names: those of plotly's figures and of pandas' styled tables."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|T_[0-9a-f]{5}", "-", text)
