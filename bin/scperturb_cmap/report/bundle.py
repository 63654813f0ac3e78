"""The bundle for analysts, from which every page can be made again and changed in Jupyter; and zips of equal bytes."""

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path, PurePath

import scperturb_cmap
from scperturb_cmap.report.downloads import size
from scperturb_cmap.utils.files import whole_file

__all__ = ["MOST_BYTES", "MOST_BYTES_TOGETHER", "choose_files", "source_notebook", "write_bundle", "write_zip"]

#: A larger file stays out of the bundle, and what would make all files larger than this together.
MOST_BYTES, MOST_BYTES_TOGETHER = 5_000_000, 10_000_000

#: What the notebooks need besides the library's code, which lies in the bundle.
PACKAGES = (
    "jupyterlab",
    "ipykernel",
    "anndata",
    "h5py",
    "markupsafe",
    "numpy",
    "pandas",
    "pandera",
    "plotly",
    "pyarrow",
    "scipy",
)

_README = """# The report's notebooks, to run again and to change

Made by scPerturb-CMap {version}. Every notebook here makes one page of the report; `results/` holds the tables that they
read, and `scperturb_cmap/` the code of every figure, to be looked up and changed.

1. Unpack the folder, and open a terminal in it. Python 3.11 or newer is needed.
2. `python3 -m venv venv && venv/bin/pip install -r requirements.txt`
3. `venv/bin/jupyter lab`, open a notebook, and run all its cells.

Each notebook begins with its parameters: `results = "."` means this folder, and a page of one data set names it.
`results/params.json` has the parameters of the run, `results/manifest.json` its inputs with their checksums.
{left_out}"""

_LEFT_OUT = """
## Too large to go along

At most {most} a file and {together} in all; the rest lies in the results of the run. Copy what a notebook asks for into
`results/`.

{files}
"""


def source_notebook(executed: Mapping) -> dict:
    r"""An executed notebook as one that was never run: its parameters are set where its author set their defaults.

    Parameters
    ----------
    executed
        As papermill wrote it (JSON).

    Examples
    --------
    >>> cell = {"cell_type": "code", "source": "results = '.'", "metadata": {"tags": ["parameters"]}, "outputs": [1]}
    >>> set_to = cell | {"source": "dataset = 'a'", "metadata": {"tags": ["injected-parameters"]}}
    >>> source = source_notebook({"cells": [cell, set_to], "metadata": {"papermill": {"parameters": {"dataset": "a"}}}})
    >>> [(cell["source"], cell["outputs"]) for cell in source["cells"]]
    [("results = '.'\ndataset = 'a'", [])]
    """
    given = executed["metadata"].get("papermill", {}).get("parameters", {})
    # The notebook is read by itself now, with all results in reach.
    lines = [f"{name} = {value!r}" for name, value in given.items() if name not in ("results", "standalone")]
    cells = []
    for cell in executed["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags:
            continue
        cell = cell | {"metadata": {"tags": tags} if tags else {}}
        if "parameters" in tags and lines:
            cell["source"] = "\n".join(["".join(cell["source"]), *lines])
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
        cells.append(cell)
    kept = {name: about for name, about in executed["metadata"].items() if name in ("kernelspec", "report")}
    return dict(executed) | {"cells": cells, "metadata": kept | {"language_info": {"name": "python"}}}


def choose_files(files: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Files that go along, and those that do not: the smallest first, until the bundle is full.

    Examples
    --------
    >>> choose_files([])
    ([], [])
    """
    kept, left_out, together = [], [], 0
    for path in sorted(files, key=lambda path: (path.stat().st_size, path.name)):
        together += (n_bytes := path.stat().st_size)
        (kept if n_bytes <= MOST_BYTES and together <= MOST_BYTES_TOGETHER else left_out).append(path)
    return sorted(kept), sorted(left_out)


def write_bundle(path: Path, notebooks: Mapping[str, Mapping], files: Sequence[Path]) -> None:
    """Write the bundle.

    Parameters
    ----------
    path
        The zip.
    notebooks
        File name -> executed notebook.
    files
        What they read.
    """
    kept, left_out = choose_files(files)
    missing = _LEFT_OUT.format(
        most=size(MOST_BYTES), together=size(MOST_BYTES_TOGETHER),
        files="\n".join(f"- `{file.name}` ({size(file.stat().st_size)})" for file in left_out),
    )  # fmt: skip
    library = Path(scperturb_cmap.__file__).parent
    content: dict[str, str | Path] = {
        "README.md": _README.format(version=scperturb_cmap.__version__, left_out=missing if left_out else ""),
        "requirements.txt": "".join(f"{name}{_pin(name)}\n" for name in PACKAGES),
    }
    content |= {name: json.dumps(source_notebook(executed), indent=1) + "\n" for name, executed in notebooks.items()}
    content |= {f"results/{file.name}": _shared(file) for file in kept}
    content |= {f"scperturb_cmap/{file.relative_to(library)}": file for file in library.rglob("*.py")}
    write_zip(path, {f"rerun/{name}": part for name, part in content.items()})


def write_zip(path: Path, content: Mapping[str, str | Path]) -> None:
    """Pack texts and files under their names; equal content gives equal bytes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_zip(Path(folder) / "a.zip", {"x/y.txt": "text"})
    ...     zipfile.ZipFile(Path(folder) / "a.zip").read("x/y.txt")
    b'text'
    """
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name)  # of 1980, whenever it is written
            entry.external_attr = 0o644 << 16
            part = content[name]
            archive.writestr(entry, part.read_bytes() if isinstance(part, Path) else part, zipfile.ZIP_DEFLATED)


def _shared(file: Path) -> Path | str:
    """A file as it may be given away: which folders the run's machine has is nobody's business."""
    if file.suffix != ".json":
        return file
    return json.dumps(_without_folders(json.loads(file.read_text(encoding="utf-8"))), indent=1) + "\n"


def _without_folders(part: object) -> object:
    """JSON with the names of files in place of their absolute paths and addresses.

    Examples
    --------
    >>> _without_folders({"input": "/data/cells.h5ad", "seed": 1, "rows": [{"path": "s3://a/b.gctx"}]})
    {'input': 'cells.h5ad', 'seed': 1, 'rows': [{'path': 'b.gctx'}]}
    """
    if isinstance(part, dict):
        return {name: _without_folders(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_without_folders(value) for value in part]
    return PurePath(part).name if isinstance(part, str) and (part.startswith("/") or "://" in part) else part


def _pin(package: str) -> str:
    """The version that made the report; none for what only shows a notebook."""
    try:
        return f"=={version(package)}"
    except ModuleNotFoundError:
        return ""
