"""The workflow itself, without its stages: 2,000 shards and 200 populations must not keep it busy for more than ten minutes.

Minutes long, so `make test-scale` runs it, and `make test` leaves it out.
"""

import os
import re
import resource
import subprocess
import time

import pytest

pytestmark = [pytest.mark.nextflow, pytest.mark.slow]

SHARDS, DATASETS, POPULATIONS = 2000, 2, 100
MOST_SECONDS = 600

#: Tasks that only touch files need no room, and Nextflow's measuring of each (a hundred processes) is left out: on a cluster that
#: is the nodes' work. Everything else is as in any run.
SETTINGS = f"""
process {{
    withLabel: 'process_.*' {{
        cpus = 1
        memory = 100.MB
    }}
    withName: BUILD_REFERENCE {{ ext.stub_shards = {SHARDS} }}
    withName: RUN_NOTEBOOK {{ ext.stub_pages = {POPULATIONS} }}
}}
executor {{
    cpus = {4 * (os.cpu_count() or 1)}
    memory = 8.GB
}}
trace.enabled = false
report.enabled = false
"""


def cpu_seconds() -> float:
    """Of all that was started from here: tells on a busy machine what an idle one would take."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.skipif(not os.environ.get("TEST_SCALE"), reason="minutes long: make test-scale runs it")
def test_two_thousand_shards_and_two_hundred_populations(make_project, nextflow, edit_sheet):
    project = make_project()
    edit_sheet(
        project,
        "samples.csv",
        lambda header, row: "\n".join([header, *(row.replace("demo,", f"d{n},", 1) for n in range(DATASETS))]),
    )
    (project / "scale.config").write_text(SETTINGS)
    command = ["nextflow", "-c", "scale.config", "run", ".", "-profile", "test", "-stub-run"]
    start, used = time.monotonic(), cpu_seconds()
    done = subprocess.run(command, cwd=project, env=nextflow, capture_output=True, text=True)
    took, used = time.monotonic() - start, cpu_seconds() - used
    assert done.returncode == 0, done.stdout + done.stderr
    tasks = re.findall(r"Submitted process > (\w+)", done.stdout)
    count = {name: tasks.count(name) for name in set(tasks)}
    print(f"{len(tasks)} tasks in {took:.0f} s, {used:.0f} s of CPU time on {os.cpu_count()} processors: {count}")
    assert count["SCORE_CONNECTIVITY"] == count["FIND_LEADING_EDGES"] == SHARDS and count["RANK_DRUGS"] == DATASETS
    assert len(list((project / "results" / "scores").glob("*.scores.parquet"))) == SHARDS
    assert len(list((project / "results" / "report" / "notebooks").glob("03_*.ipynb"))) == DATASETS * POPULATIONS
    assert took < MOST_SECONDS
