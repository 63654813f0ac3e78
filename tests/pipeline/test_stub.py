"""The shape of the pipeline without any Python package: both parsers, and what -resume sees."""

import gzip
import json

import pytest

pytestmark = pytest.mark.nextflow
PROCESSES = [
    "BUILD_REFERENCE",
    "BUILD_REPORT",
    "CHECK_INPUTS",
    "DERIVE_SIGNATURES",
    "EMBED_SIGNATURES",
    "FIND_LEADING_EDGES",
    "PAIR_DRUGS",
    "RANK_DRUGS",
    "RUN_NOTEBOOK",
    "SCORE_CONNECTIVITY",
    "TRAIN_EMBEDDING",
    "VALIDATE_METHODS",
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
        "ranking/demo.enrichment.tsv",
        "ranking/demo.pairs.tsv",
        "report/index.html",
        "validation/run.validation.tsv",
        "signatures/demo.signatures.h5ad",
        "scores/demo_l1000.shard_0000.scores.parquet",
    ):
        assert (run.outdir / file).is_file()


def test_resume_sees_an_edit_of_the_library(make_project, run_pipeline):
    project = make_project(code=True)
    assert run_pipeline(project, "-profile", "test", "-stub-run").status == 0
    cached = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert set(cached.trace["status"]) == {"CACHED"}
    with open(project / "bin" / "scperturb_cmap" / "ranking" / "rank.py", "a") as source:
        source.write("# an edit\n")
    edited = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert set(edited.trace["status"]) == {"COMPLETED"}


def test_whose_report_it_is_concerns_the_report_alone(make_project, run_pipeline):
    project = make_project()
    assert run_pipeline(project, "-profile", "test", "-stub-run").status == 0
    (project / "logo.svg").write_text("<svg/>")
    options = ("--report_title", "O'Neill's <study>", "--report_contact", "me@example.org", "--report_logo", "logo.svg")
    run = run_pipeline(project, "-profile", "test", "-stub-run", "-resume", *options)
    assert run.status == 0, run.said
    assert run.trace.loc[run.trace["status"] != "CACHED", "name"].tolist() == ["BUILD_REPORT"]


def status(run, *names):
    """Status of the tasks whose name begins so."""
    return run.trace.set_index("name")["status"][lambda trace: trace.index.str.startswith(names)].to_dict()


def test_a_reference_for_training_is_not_searched(make_project, run_pipeline, edit_sheet):
    project = make_project()
    rows = {"first": "search", "second": "both", "third": "train"}
    edit_sheet(
        project,
        "references.csv",
        lambda header, row: "\n".join(
            [header, *(row.replace("demo_l1000", name).replace("both", role) for name, role in rows.items())]
        ),
    )
    run = run_pipeline(project, "-profile", "test", "-stub-run")
    assert run.status == 0, run.said
    assert set(status(run, "BUILD_REFERENCE")) == {f"BUILD_REFERENCE ({name})" for name in rows}
    assert set(status(run, "SCORE")) == {f"SCORE_CONNECTIVITY ({name}.shard_0000)" for name in ("first", "second")}
    assert list(status(run, "TRAIN")) == ["TRAIN_EMBEDDING (run)"]


def test_without_a_space_the_other_scores_go_on_and_it_is_said(make_project, run_pipeline, edit_sheet):
    project = make_project()
    edit_sheet(project, "references.csv", lambda header, row: "\n".join([header, row.replace("both", "search")]))
    run = run_pipeline(project, "-profile", "test", "-stub-run")
    assert (
        run.status == 0
        and "no reference has the role both" in run.said
        and "goes on with cosine, spearman, wtcs" in run.said
    )
    assert not status(run, "TRAIN", "EMBED") and status(run, "SCORE")
    asked = run_pipeline(project, "-profile", "test", "-stub-run", "--headline", "embedding")
    assert asked.status != 0 and "There is no score by the embedding" in asked.said
    alone = run_pipeline(project, "-profile", "test", "-stub-run", "--methods", "embedding")
    assert alone.status != 0 and "There is no score by the embedding" in alone.said
    assert "Submitted process > DERIVE" not in alone.said


def test_a_space_of_an_earlier_run_is_used_in_place_of_training(make_project, run_pipeline, edit_sheet):
    project = make_project()
    edit_sheet(project, "references.csv", lambda header, row: "\n".join([header, row.replace("both", "search")]))
    (project / "old.embedding.json").write_text("{}")
    alone = run_pipeline(project, "-profile", "test", "-stub-run", "--embedding", "old.embedding.json")
    assert alone.status != 0 and "old.embedding.safetensors is not beside it" in alone.said
    (project / "old.embedding.safetensors").write_text("")
    tensors = run_pipeline(project, "-profile", "test", "-stub-run", "--embedding", "old.embedding.safetensors")
    assert tensors.status != 0 and "name the .json beside it" in tensors.said
    run = run_pipeline(project, "-profile", "test", "-stub-run", "--embedding", "old.embedding.json")
    assert run.status == 0, run.said
    assert not status(run, "TRAIN") and status(run, "EMBED") and status(run, "SCORE")


def test_one_more_data_set_recomputes_only_what_depends_on_it(make_project, run_pipeline, edit_sheet):
    project = make_project()
    assert run_pipeline(project, "-profile", "test", "-stub-run").status == 0
    edit_sheet(project, "samples.csv", lambda header, row: "\n".join([header, row, row.replace("demo,", "second,", 1)]))
    run = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert run.status == 0, run.said
    assert status(run, "DERIVE", "BUILD_REFERENCE") == {
        "DERIVE_SIGNATURES (demo)": "CACHED",
        "DERIVE_SIGNATURES (second)": "COMPLETED",
        "BUILD_REFERENCE (demo_l1000)": "CACHED",
    }
    edit_sheet(project, "samples.csv", lambda header, row: "\n".join([header, row.replace("disease", "ill")]))
    changed = run_pipeline(project, "-profile", "test", "-stub-run", "-resume")
    assert status(changed, "DERIVE") == {"DERIVE_SIGNATURES (demo)": "COMPLETED"}


@pytest.mark.parametrize(
    "sheet",
    [
        "\ufeff# mine\n{header}\n{row}\n",
        "\n\n{header}\n\n{row}\n\n",
        "! mine\n# mine\n\n{header}\n{row}",
        "{header}\r\n{row}\r\n",
        "{header},,\n{row},,\n,,,,,,,,,\n",
        'remark,{header}\n"the ""first"", of\nall", {row}\n',
        "{header},remark\n{row},M\u00fcnchen\n",
        "gzip of {header}\n{row}\n",
        "\u00a0{header}\n\u00a0{row}\u2003\n",
    ],
    ids=[
        "mark and comment",
        "blank lines",
        "comments",
        "windows",
        "empty columns",
        "quotes",
        "latin-1",
        "gzip",
        "odd spaces",
    ],
)
def test_sheets_are_read_as_the_checks_read_them(make_project, run_pipeline, sheet, edit_sheet):
    """A file that only one of the two readers finds would be called missing."""
    project = make_project()
    edit_sheet(
        project, "samples.csv", lambda header, row: sheet.removeprefix("gzip of ").format(header=header, row=row)
    )
    file = project / "assets" / "demo" / "samples.csv"
    file.write_bytes(file.read_text().encode("latin-1" if "\u00fc" in sheet else "utf-8"))
    if sheet.startswith("gzip"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    run = run_pipeline(
        project, "-profile", "test", "--methods", "cosine", "--headline", "cosine", "--min_gene_overlap", "1"
    )
    # Both readers agree: the only complaint is about genes, which the file itself was read for.
    assert "There is no file" not in run.said, run.said
    assert "cells.h5ad, gene ids" in run.said or "column 'remark': The column is not known" in run.said, run.said


def test_paths_that_lead_nowhere(make_project, run_pipeline, edit_sheet):
    project = make_project()
    lost = ["foo://x/cells.h5ad", "/no/such/cells.h5ad", "s3:/x"]
    edit_sheet(
        project,
        "samples.csv",
        lambda header, row: "\n".join(
            [header, *(row.replace("demo,cells.h5ad", f"d{n},{path}") for n, path in enumerate(lost)), ""]
        ),
    )
    run = run_pipeline(project, "-profile", "test")
    assert run.status == 1 and all(f"There is no file '{path}'" in run.said for path in lost), run.said


def test_a_hostile_name_stays_in_its_task(make_project, run_pipeline, edit_sheet):
    project = make_project()
    edit_sheet(project, "samples.csv", lambda header, row: f"{header}\n{row.replace('demo,', '../x,', 1)}\n")
    before = set(project.rglob("*x.*"))
    run = run_pipeline(project, "-profile", "test", "-stub-run")
    assert run.status != 0 and "Exception" not in run.said
    assert not [path for path in set(project.rglob("*x.*")) - before if path.suffix in (".json", ".h5ad", ".tsv")]


def test_every_shard_is_scored_and_every_data_set_ranked(make_project, run_pipeline, edit_sheet):
    """What is one value for all tasks (headline, space, signatures) must not become a queue that the first task empties."""
    project = make_project()
    edit_sheet(project, "samples.csv", lambda header, row: "\n".join([header, row, row.replace("demo,", "second,", 1)]))
    (project / "conf" / "test.config").open("a").write(
        "process { withName: BUILD_REFERENCE { ext.stub_shards = 3 } }\n"
    )
    run = run_pipeline(project, "-profile", "test", "-stub-run")
    assert run.status == 0, run.said
    tasks = run.trace["name"].str.split().str[0].value_counts()
    assert tasks["SCORE_CONNECTIVITY"] == tasks["FIND_LEADING_EDGES"] == 3
    assert tasks["RANK_DRUGS"] == tasks["PAIR_DRUGS"] == tasks["DERIVE_SIGNATURES"] == 2
    crate = json.loads((run.outdir / "ro-crate-metadata.json").read_text())["@graph"]
    listed = {entity["@id"] for entity in crate if entity["@type"] == "File" and "sha256" in entity}
    there = {str(path.relative_to(run.outdir)) for path in run.outdir.glob("[!pr]*/*") if path.is_file()}
    assert there <= listed and len(there) > 20
