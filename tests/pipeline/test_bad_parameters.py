"""Bad values of every parameter that can have one, many in one call: each gets its sentence, all at once, before any task."""

import json

import pytest

_WHOLE, _FRACTION = "a whole number is needed", "a number is needed"
_LOST, _FOLDER = "lost.tsv", "assets"


def whole(name: str, least: int, most: int = 2147483647) -> list[tuple[object, str]]:
    return [
        ("few", f"--{name} is 'few': {_WHOLE}"),
        (least - 1, f"--{name} is {least - 1}: it must be at least {least}"),
        (1.5, f"--{name} is '1.5': {_WHOLE}"),
        (most + 1, f"--{name} is {most + 1}: it must be at most {most}"),
    ]


def chosen(name: str, value: str) -> list[tuple[object, str]]:
    return [
        ("magic", f"--{name} is 'magic': choose one of"),
        (value.upper(), f"--{name} is '{value.upper()}': choose one of"),
        ([value], f"--{name} is '[{value}]': choose one of"),
        ("", f"--{name} is empty: leave it out or give a value"),
    ]


def file(name: str, ending: str = ".tsv") -> list[tuple[object, str]]:
    lost, secret = f"lost{ending}", "/dev/null/x" + ending
    return [
        (path, f"--{name}: the file {path} does not exist")
        for path in (lost, secret, f"s4://a/b{ending}", f"*{ending}")
    ]


#: Parameter -> bad values and what must be said of each; the n-th of all go into one call.
BAD = {
    "input": [*file("input", ".csv")[:3], (None, "--input is missing")],
    "references": [*file("references", ".csv")[:3], ("", "--references is missing")],
    "genes": [*file("genes")[:3], (",", "--genes: the file , does not exist")],
    **{name: file(name) for name in ("drugs", "orthologs", "indications", "sensitivity")},
    "embedding": file("embedding", ".embedding.json"),
    "outdir": [("", "--outdir is")],
    **{name: whole(name, 1) for name in ("min_cells", "min_donors", "min_counts", "shard_size", "n_genes", "min_tags")},
    **{name: whole(name, 0) for name in ("resamples", "seed", "random_queries")},
    "validation_queries": whole("validation_queries", 20),
    "members": whole("members", 1, 20),
    "min_gene_overlap": [
        ("half", f"--min_gene_overlap is 'half': {_FRACTION}"),
        (-0.1, "--min_gene_overlap is -0.1: it must be at least 0"),
        ("NaN", f"--min_gene_overlap is 'NaN': {_FRACTION}"),
        (50, "--min_gene_overlap is 50: it must be at most 1"),
    ],
    "exclude_genes": [
        (text, f"--exclude_genes is '{text}': write mitochondrial, ribosomal or") for text in ("mito", "mitochondrial;ribosomal")
    ],
    "embedding_search": [(text, f"--embedding_search is '{text}'") for text in ("yes", 1, "TRUE")],
    "validation": [(text, f"--validation is '{text}'") for text in ("maybe", 0, "no")],
    "methods": [
        (text, f"--methods is '{text}': name one or more of cosine") for text in ("magic", "cosine wtcs", "cosine,", "wtcs;$(x)")
    ],
    "encoder": chosen("encoder", "linear"),
    "headline": chosen("headline", "wtcs"),
    "aggregation": chosen("aggregation", "mean"),
    "feature_space": chosen("feature_space", "landmark"),
    "device": chosen("device", "cpu"),
    "report_logo": [
        ("logo.gif", "--report_logo is 'logo.gif': name a PNG, JPG or SVG file"),
        ("lost.png", "--report_logo: the file lost.png does not exist"),
        ("logo.svg.exe", "--report_logo is 'logo.svg.exe': name a PNG, JPG or SVG file"),
    ],
}  # fmt: skip

#: Any text may be these.
FREE = {"report_title", "report_contact", "help"}


def test_every_parameter_has_bad_values(root):
    groups = json.loads((root / "nextflow_schema.json").read_text())["$defs"].values()
    assert {name for group in groups for name in group["properties"]} == set(BAD) | FREE
    assert sum(map(len, BAD.values())) >= 90


@pytest.fixture(scope="module")
def project(make_project):
    return make_project()


@pytest.mark.nextflow
@pytest.mark.parametrize("parser", ["v1", "v2"])
@pytest.mark.parametrize("number", range(4))
def test_bad_values_stop_before_any_task(project, run_pipeline, number, parser):
    given = {name: values[number] for name, values in BAD.items() if number < len(values)}
    (project / "bad.json").write_text(json.dumps({name: value for name, (value, _) in given.items()}))
    run = run_pipeline(project, "-profile", "test", "-params-file", "bad.json", NXF_SYNTAX_PARSER=parser)
    assert run.status == 1
    lacking = [f"{name}: {said}" for name, (_, said) in given.items() if said not in run.said]
    assert not lacking, run.said
    assert "Submitted process" not in run.said and "Exception" not in run.said and "\tat " not in run.said
