"""The shape of the pipeline without any Python package: both parsers, and what -resume sees."""

import pytest

pytestmark = pytest.mark.nextflow
PROCESSES = [
    "BUILD_REFERENCE",
    "BUILD_REPORT",
    "CHECK_INPUTS",
    "DERIVE_SIGNATURES",
    "RANK_DRUGS",
    "RUN_NOTEBOOK",
    "SCORE_CONNECTIVITY",
]


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_stub_run_needs_no_python_package(make_project, run_pipeline, nextflow, tmp_path, parser):
    # a Python without site-packages in front of the project's own
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "python3").write_text('#!/bin/sh\nexec /usr/bin/env -i PATH="$PATH" "$REAL_PYTHON" -I -S "$@"\n')
    (bare / "python3").chmod(0o755)
    import sys

    environment = {"NXF_SYNTAX_PARSER": parser, "PATH": f"{bare}:{nextflow['PATH']}", "REAL_PYTHON": sys.executable}
    run = run_pipeline(make_project(), "-profile", "test", "-stub-run", **environment)
    assert run.status == 0, run.said
    assert sorted(set(run.trace["name"].str.split().str[0])) == PROCESSES
    versions = (run.outdir / "pipeline_info" / "software_versions.tsv").read_text()
    assert "pydeseq2\tnot installed" in versions  # proof that the packages really were out of sight
    for file in (
        "ranking/demo.drugs.tsv",
        "report/index.html",
        "signatures/demo.signatures.h5ad",
        "scores/demo_l1000.shard_0000.scores.parquet",
    ):
        assert (run.outdir / file).is_file()


def test_resume_sees_an_edit_of_the_library(make_project, run_pipeline):
    project = make_project()
    assert run_pipeline(project, "-profile", "test", "-stub-run").status == 0
    cached = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert set(cached.trace["status"]) == {"CACHED"}
    with open(project / "bin" / "scperturb_cmap" / "ranking" / "rank.py", "a") as source:
        source.write("# an edit\n")
    edited = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert set(edited.trace["status"]) == {"COMPLETED"}


def test_a_reference_for_training_is_not_searched(make_project, run_pipeline):
    project = make_project()
    sheet = project / "assets" / "demo" / "references.csv"
    header, row = sheet.read_text().splitlines()[:2]
    sheet.write_text("\n".join([header, row, row.replace("demo_l1000", "second").replace("search", "both")]) + "\n")
    run = run_pipeline(project, "-profile", "test", "-stub-run")
    assert run.status == 0, run.said
    assert (run.trace["name"].str.startswith("SCORE_CONNECTIVITY")).sum() == 2
