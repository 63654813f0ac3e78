"""A task that fails for good does not take the others with it."""

import subprocess

import pytest

WORKFLOW = """
process HOPELESS {
    script:
    'exit 137'
}

process OTHER {
    output:
    path 'done.txt'

    script:
    'while [ $(ls -d ../../*/*/.hopeless | wc -l) -lt 3 ]; do sleep 0.2; done; sleep 3; touch done.txt'
}

workflow {
    HOPELESS()
    OTHER()
}
"""


@pytest.mark.nextflow
def test_the_third_failure_lets_other_tasks_finish(root, nextflow, tmp_path):
    """A `retry` beyond maxRetries would end them at once."""
    (tmp_path / "main.nf").write_text(WORKFLOW.replace("exit 137", "touch .hopeless; exit 137"))
    (tmp_path / "nextflow.config").write_text(
        f"includeConfig '{root / 'conf' / 'base.config'}'\nprocess.resourceLimits = [cpus: 1, memory: 1.GB]\n"
        "trace.enabled = true\ntrace.file = 'trace.txt'\n"
    )
    done = subprocess.run(
        ["nextflow", "run", "."], cwd=tmp_path, env=nextflow, capture_output=True, text=True, timeout=300
    )
    rows = [line.split("\t") for line in (tmp_path / "trace.txt").read_text().splitlines()[1:]]
    found = sorted((row[3], row[4], row[5]) for row in rows)
    assert done.returncode == 1, done.stdout
    assert found == [("HOPELESS", "FAILED", "137")] * 3 + [("OTHER", "COMPLETED", "0")], done.stdout
