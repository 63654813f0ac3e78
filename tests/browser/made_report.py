"""Builds the whole report from made-up results, by the stages' own scripts.

Also a script, which tells how long it takes: ``python tests/browser/made_report.py FOLDER POPULATIONS [DRUGS]``.
"""

import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
FAKE = runpy.run_path(str(HERE / "fake_results.py"))
OF_DATASET = ("02_dataset", "03_population")


def made_report(folder: Path, **size: object) -> Path:
    """Write results of one data set to a folder, execute every notebook on them one after the other, and build all pages.

    Parameters
    ----------
    folder
        Where to work.
    **size
        For ``write_results``: populations, n_genes, n_drugs, hostile.

    Returns
    -------
    The report's folder.
    """
    FAKE["write_results"](folder / "results", **size)

    def stage(name: str, *arguments: object) -> None:
        command = [sys.executable, ROOT / "bin" / f"{name}.py", *map(str, arguments)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        mine = notebook.stem in OF_DATASET
        parameters = {"results": "results"} | ({"dataset": "demo"} if mine else {})
        (folder / "parameters.json").write_text(json.dumps(parameters))
        out = f"{notebook.stem}.demo.ipynb" if mine else notebook.name
        stage("run_notebook", "--notebook", notebook, "--parameters", "parameters.json", "--out", out)
    names = ("--report-title", FAKE["HOSTILE"][0], "--report-contact", FAKE["HOSTILE"][1])
    tables = (folder / "results" / "ranking").glob("*.tsv")
    results = (path for path in (folder / "results").rglob("*") if path.is_file())
    inputs = ("--notebooks", *sorted(folder.glob("*.ipynb")), "--tables", *tables, "--results", *results)
    stage("build_report", "--book", ROOT / "report", *inputs, *names, "--out", "html")
    return folder / "html"


if __name__ == "__main__":
    place, populations, drugs = Path(sys.argv[1]), int(sys.argv[2]), int(([*sys.argv, 1200])[3])
    place.mkdir(parents=True)
    start = time.monotonic()
    evidence = {f"population {n:02d}": ("replicated", "limited", "exploratory", "")[n % 4] for n in range(populations)}
    report = made_report(place, populations=evidence, n_genes=5000, n_drugs=drugs)
    print(f"{populations} populations, {drugs} drugs: {time.monotonic() - start:.0f} s, {report}")
