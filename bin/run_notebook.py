#!/usr/bin/env python3
"""Execute one notebook with the parameters of a JSON or YAML file, in the current directory; some make several pages."""

import json
import logging
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, run

#: Jupyter's and IPython's folders, which would otherwise lie in a home that a container may not have.
FOLDERS = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")


def build_parser() -> ArgumentParser:
    parser = base_parser(__doc__)
    parser.add_argument("--notebook", type=Path, required=True, help="notebook with a cell tagged 'parameters'")
    parser.add_argument("--parameters", type=Path, required=True, help="JSON or YAML file: parameter -> value")
    parser.add_argument("--out", type=Path, required=True, help="executed notebook; written when every cell has run")
    return parser


def run_notebook(args: Namespace) -> None:
    import yaml

    from scperturb_cmap.utils.errors import InputError, Problem

    for path in (args.notebook, args.parameters):
        if not path.is_file():
            raise InputError(Problem(str(path), "", "The file does not exist.", "Correct the path."))
    try:
        parameters = yaml.safe_load(args.parameters.read_text(encoding="utf-8"))  # JSON is YAML too
    except (yaml.YAMLError, UnicodeDecodeError):
        raise InputError(Problem(str(args.parameters), "", "It is no valid JSON or YAML.", "Correct it.")) from None
    if not isinstance(parameters, dict):
        raise InputError(Problem(str(args.parameters), "", "It holds no names with values.", 'Write {"results": "."}.'))

    for name in FOLDERS:
        os.environ.setdefault(name, str(Path(".jupyter", name.lower()).absolute()))
        Path(os.environ[name]).mkdir(parents=True, exist_ok=True)
    # The kernel is a process of its own and imports the library beside this script.
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(Path(__file__).resolve().parent), os.environ.get("PYTHONPATH")])
    )

    import papermill

    try:
        known = papermill.inspect_notebook(args.notebook)
    except Exception:  # papermill passes on whatever nbformat and json raise
        raise InputError(
            Problem(str(args.notebook), "", "It is no Jupyter notebook.", "Name a file with the ending .ipynb.")
        ) from None
    if unknown := sorted(map(str, set(parameters) - set(known))):
        raise InputError(
            Problem(
                str(args.parameters),
                ", ".join(unknown),
                f"{args.notebook.name} has no such parameter.",
                f"Its parameters are {', '.join(known) or 'none'}.",
            )
        )
    if "standalone" in known:  # every page of the report loads plotly's script, so none brings its own
        parameters.setdefault("standalone", False)
    for values, out in pages(args.notebook, parameters, args.out):
        logging.getLogger("scperturb_cmap").info("%s", out.name)
        execute(args.notebook, values, out)


def pages(notebook: Path, parameters: dict, out: Path) -> list[tuple[dict, Path]]:
    """What to run: parameters and the file for it.

    A notebook whose metadata tell ``"each": "population"`` makes a page, ``<out>.001.ipynb`` and so on, for every population
    of its data set.
    """
    report = json.loads(notebook.read_text(encoding="utf-8"))["metadata"].get("report", {})
    if not isinstance(report, dict) or report.get("each") != "population" or parameters.get("population"):
        return [(parameters, out)]
    from scperturb_cmap.figures import Results

    run = Results(parameters.get("results", "."))
    dataset = parameters.get("dataset") or run.datasets[0]
    names = run.table(f"{dataset}.populations.tsv")["population"]
    return [
        (parameters | {"dataset": dataset, "population": name}, out.with_name(f"{out.stem}.{number:03d}.ipynb"))
        for number, name in enumerate(names, 1)
    ]


def execute(notebook: Path, parameters: dict, out: Path) -> None:
    """Run a notebook; ``out`` is there once every cell has run."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from scperturb_cmap.utils.errors import InputError, Problem
    from scperturb_cmap.utils.files import DISK_FULL, system_error

    partial = out.with_name(f"{out.stem}.unfinished.ipynb")
    try:
        papermill.execute_notebook(
            notebook,
            partial,
            parameters,
            kernel_name="python3",
            progress_bar=False,
            extra_arguments=["--log-level=ERROR"],
        )
    except PapermillExecutionError as error:
        if error.ename == "MemoryError":
            raise MemoryError(f"{notebook.name}, cell {error.cell_index}") from None
        if number := system_error(error, DISK_FULL):  # the text holds what the cell said
            raise OSError(number, os.strerror(number), partial.name) from None
        raise InputError(
            Problem(
                notebook.name,
                f"cell {error.cell_index}",
                f"It stopped with {error.ename}: {error.evalue}".rstrip(".") + ".",
                f"What ran before it is in {partial}.",
            )
        ) from None
    except RuntimeError as error:
        if not isinstance(error, DeadKernelError) and "Kernel died" not in str(error):
            raise
        # Killed for its memory, or beaten to its port by another kernel that started in the same moment: as for a lack of
        # memory, Nextflow tries again, and gives it more.
        raise MemoryError(f"{notebook.name}: the kernel died ({error})") from None
    except OSError as error:
        if number := system_error(error, DISK_FULL):
            raise OSError(number, os.strerror(number), partial.name) from None
        raise
    partial.rename(out)


if __name__ == "__main__":
    sys.exit(run(build_parser(), run_notebook))
