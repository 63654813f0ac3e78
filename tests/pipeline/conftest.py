"""Running the pipeline: on a copy of the project, so that a test may edit it, with the Nextflow that `make setup` found."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest


@dataclass(frozen=True)
class Run:
    """A finished run: exit status, everything it said, and its results."""

    status: int
    said: str
    outdir: Path

    @property
    def trace(self) -> pd.DataFrame:
        """One row per task: name, status, peak_rss, ..."""
        return pd.read_csv(self.outdir / "pipeline_info" / "execution_trace.txt", sep="\t")


@pytest.fixture(scope="session")
def run_pipeline(nextflow, shared_cache):
    """Run the pipeline of a project's copy."""

    def run(project: Path, *options: object, **variables: str) -> Run:
        # Nextflow's newer parser forgets the pipeline's profiles when -c names another file (nextflow-io/nextflow#7249).
        cache = [] if variables.get("NXF_SYNTAX_PARSER") == "v2" else shared_cache
        command = ["nextflow", "run", ".", *cache, *map(str, options)]
        done = subprocess.run(command, cwd=project, env=nextflow | variables, capture_output=True, text=True)
        return Run(done.returncode, done.stdout + done.stderr, project / "results")

    return run


@pytest.fixture(scope="session")
def demo_run(make_project, run_pipeline) -> Run:
    """The demo, run once for all tests that look at its results."""
    run = run_pipeline(make_project(), "-profile", "test")
    assert run.status == 0, run.said
    return run


@pytest.fixture
def edit_sheet():
    """Replace the rows of a demo sheet by ``change(header, first row)``."""

    def edit(project: Path, name: str, change) -> None:
        sheet = project / "assets" / "demo" / name
        sheet.write_text(change(*sheet.read_text().splitlines()[:2]))

    return edit
