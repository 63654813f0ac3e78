"""What is said on the terminal and recorded at the end of a run: help, where the report is, what to do after a failure."""

import json
import re

import pytest

pytestmark = pytest.mark.nextflow

#: An engine that has every image, and runs what it is given without a container.
ENGINE = """#!/bin/bash
[ "$1 $2" != "image inspect" ] || { echo %s; exit; }
while [ $# -gt 0 ] && [ "$1" != /bin/bash ]; do shift; done
exec "$@"
"""


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_help_lists_every_parameter_and_runs_nothing(make_project, run_pipeline, parser):
    project = make_project()
    run = run_pipeline(project, "--help", NXF_SYNTAX_PARSER=parser)
    groups = json.loads((project / "nextflow_schema.json").read_text())["$defs"].values()
    assert run.status == 0 and "Submitted" not in run.said
    for group in groups:
        assert f"\n{group['title']}\n" in run.said
        for name, about in group["properties"].items():
            line = re.search(rf"^  --{name} .*(?:\n {{30,}}.*)?", run.said, re.M)[0]
            assert json.dumps(about.get("default", "")).strip('"') in line and about["description"][:15] in line
    assert max(map(len, run.said.splitlines())) <= 103
    # an earlier run's trace stays as it is (the strict parser of 25.04 cannot know, nextflow-io/nextflow#6363)
    assert parser == "v2" or not run.outdir.exists()


def test_help_about_one_parameter(make_project, run_pipeline):
    project = make_project()
    one = run_pipeline(project, "--help", "encoder")
    assert (
        one.status == 0
        and "one of linear, infonce, supcon, multi_similarity" in one.said
        and "default: linear" in one.said
    )
    lost = run_pipeline(project, "--help", "colour")
    assert lost.status == 0 and "There is no parameter --colour" in lost.said and "--encoder" in lost.said


def test_a_run_ends_with_the_way_to_the_report_and_its_images(make_project, run_pipeline, nextflow, tmp_path):
    (tmp_path / "podman").write_text(ENGINE % ("ab" * 32))
    (tmp_path / "podman").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{nextflow['PATH']}"}
    run = run_pipeline(make_project(code=True), "-profile", "test,podman", "-stub-run", **environment)
    assert run.status == 0, run.said
    assert "results/report/index.html" in run.said and "This was a stub run" in run.said
    facts = json.loads((run.outdir / "pipeline_info" / "run.json").read_text())
    assert facts["engine"] == "podman" and facts["changed"] == "the folder of the pipeline is no Git checkout"
    assert {image["digest"] for image in facts["images"]} == {"sha256:" + "ab" * 32}
    crate = json.loads((run.outdir / "ro-crate-metadata.json").read_text())["@graph"]
    images = {entity["name"]: entity for entity in crate if entity["@type"] == "ContainerImage"}
    assert set(images) == {"scperturb-cmap-core", "scperturb-cmap-torch", "scperturb-cmap-report"}
    assert all(image["sha256"] == "ab" * 32 and image["tag"] == "0.1.0" for image in images.values())
    assert "BUILD_REPORT" in images["scperturb-cmap-report"]["description"]
    action = next(entity for entity in crate if entity["@type"] == "CreateAction")
    assert len(action["containerImage"]) == 3


def test_a_failure_says_what_to_do_next(make_project, run_pipeline):
    project = make_project()
    sheet = project / "assets" / "demo" / "samples.csv"
    sheet.write_text(sheet.read_text().replace("healthy", "well"))
    run = run_pipeline(project, "-profile", "test")
    assert run.status == 1 and "The run stopped" in run.said and "Finished" not in run.said
    session = re.search(r"the same command again with -resume ([0-9a-f-]{36})", run.said)[1]
    assert session in (project / ".nextflow" / "history").read_text()
    crate = json.loads((run.outdir / "ro-crate-metadata.json").read_text())["@graph"]
    action = next(entity for entity in crate if entity["@type"] == "CreateAction")
    assert action["actionStatus"].endswith("FailedActionStatus") and "ranking/" not in str(action["result"])
