"""Workbooks, the key to the tables, logos, contacts, the bundle for analysts, and the rules of the notebooks."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from scperturb_cmap.io import meanings, schemas
from scperturb_cmap.report import branding, bundle, downloads, workbook
from scperturb_cmap.utils.errors import InputError

ROOT = Path(__file__).parents[2]
NAMES = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "007",
    "1e5",
    "SEPT2",
    "https://example.org",
    "NA",
    "<b>",
    "抗体",
    "",
    "_x0041_",
    "x" * 40_000,
]


def cells(path, sheet):
    """Rows of a sheet as (type, text) of every cell, read from its XML: n is a number, f a formula."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as archive:
        root = ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{sheet}.xml"))
        assert not [
            name for name in archive.namelist() if name.endswith(".rels") and b"example.org" in archive.read(name)
        ]
    assert root.find(".//m:f", space) is None and root.find(".//m:hyperlink", space) is None
    return [
        {
            re.sub(r"\d", "", cell.get("r")): (cell.get("t", "n"), "".join(cell.itertext()))
            for cell in row.findall("m:c", space)
        }
        for row in root.findall(".//m:row", space)
    ]


@pytest.fixture
def enrichment(tmp_path):
    """A published table whose names would like to be something else."""
    table = pd.DataFrame({
        "dataset": "d", "population": "T", "kind": "target", "name": NAMES, "n_drugs": 3, "es": -0.123456789, "nes": 1e-9,
        "p_value": 0.5, "fdr": 1.0, "null": "drugs permuted", "leading_drugs": "", "status": "ok", "reason": "",
    })  # fmt: skip
    table.loc[1, ["p_value", "status", "reason"]] = [None, "not_tested", "too few"]
    path = tmp_path / "d.enrichment.tsv"
    schemas.write_table(table, schemas.ENRICHMENT, path)
    return path


def test_names_stay_text_and_numbers_numbers(enrichment, tmp_path):
    workbook.write_workbook(tmp_path / "d.xlsx", [enrichment])
    rows = cells(tmp_path / "d.xlsx", 2)
    assert [row.get("D", ("inlineStr", ""))[1] for row in rows[1:-2]] == NAMES[:-2]
    assert {row["D"][0] for row in rows[1:] if "D" in row} == {"inlineStr"} and len(rows[-1]["D"][1]) == 32_767
    assert rows[-2]["D"][1] in ("_x0041_", "_x005F_x0041_")  # Excel's own way to write a control character
    assert rows[1]["E"] == ("n", "3") and rows[1]["F"] == ("n", "-0.123457")
    assert "H" not in rows[2]  # no value, no 0


def test_the_first_sheet_explains_every_column(enrichment, tmp_path):
    other = tmp_path / "d.notes.tsv"
    other.write_text("what\n007\n")
    workbook.write_workbook(tmp_path / "d.xlsx", [enrichment, other])
    said = [[text for _, text in row.values()] for row in cells(tmp_path / "d.xlsx", 1)]
    assert said[0] == ["sheet", "columns", "meaning"] and said[-1][0] == "notes"
    explained = ", ".join(line[1] for line in said[2:-1]).split(", ")
    assert set(explained) == set(schemas.ENRICHMENT.columns)
    assert cells(tmp_path / "d.xlsx", 3)[1]["A"] == ("inlineStr", "007")  # a table without contract holds text


def test_equal_tables_give_equal_workbooks(enrichment, tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        workbook.write_workbook(tmp_path / name, [enrichment])
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_a_long_table_is_cut_by_population_and_it_is_said(tmp_path, monkeypatch):
    rows = [f"d\t{name}\t{n}\tx\tx\tx\tx\tok\t\n" for name in ("T", "B") for n in range(1, 40)]
    path = tmp_path / "d.pairs.tsv"
    path.write_text("dataset\tpopulation\trank\tfirst\tfirst_id\tsecond\tsecond_id\tstatus\treason\n" + "".join(rows))
    original = workbook.first_rows
    monkeypatch.setattr(workbook, "first_rows", lambda table, _most: original(table, 90))
    workbook.write_workbook(tmp_path / "d.xlsx", [path])
    assert [(row["B"][1], row["C"][1]) for row in cells(tmp_path / "d.xlsx", 2)[1:]] == [
        (name, str(n)) for name in ("T", "B") for n in range(1, 6)
    ]
    assert "Only 10 of 78 rows are here" in cells(tmp_path / "d.xlsx", 1)[1]["C"][1]


@pytest.mark.parametrize("kind", meanings.TABLES)
def test_every_column_has_a_meaning(kind):
    table = meanings.TABLES[kind]
    further = ["score_<method>", "rank_<method>"] if kind == "drugs" else []
    assert sorted(table.names) == sorted([*table.contract.columns, *further])
    assert all(text and not text.endswith(".") and text.count("`") % 2 == 0 for text in table.columns.values())


def test_every_published_table_is_explained(root):
    text = (root / "bin" / "scperturb_cmap" / "io" / "schemas.py").read_text()
    published = re.findall(r"^#: (?:\w+/)?<[\w ]+>\.(\w+)\.tsv", text, re.M)
    assert len(published) > 15 and set(published) <= set(meanings.TABLES)


def test_a_large_table_is_compressed_to_equal_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    table = tmp_path / "d.drugs.tsv"
    table.write_text("x\n" + "1234567\n" * 200_000)
    downloads.copy_table(table, tmp_path / "one")
    downloads.copy_table(table, tmp_path / "two")
    assert (tmp_path / "one" / "d.drugs.tsv.gz").read_bytes() == (tmp_path / "two" / "d.drugs.tsv.gz").read_bytes()
    assert pd.read_csv(tmp_path / "one" / "d.drugs.tsv.gz", sep="\t").shape == (200_000, 1)


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:l="http://www.w3.org/1999/xlink" {}>{}</svg>'


@pytest.mark.parametrize(
    ("name", "content", "ending"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\nrest", "png"),
        ("a.jpeg", b"\xff\xd8\xff\xe0rest", "jpg"),
        ("a.svg", SVG.format("", '<rect style="fill:url(#a)" fill="#123"/><use l:href="#a"/>'), "svg"),
        (
            "a.svg",
            '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x.dtd">' + SVG.format("", ""),
            "svg",
        ),
    ],
)
def test_plain_logos_pass(tmp_path, name, content, ending):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert branding.logo_ending(path) == ending


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text", "no PNG, JPG or SVG"),
        ("x" * 1_000_001, "at most 1 MB"),
        (SVG.format("", "<script>alert(1)</script>"), "holds a <script>"),
        (SVG.format("", '<x:SCRIPT xmlns:x="http://www.w3.org/2000/svg"/>'), "holds a <script>"),
        (SVG.format('onload="alert(1)"', ""), "a script (onload)"),
        (SVG.format("", '<a l:href="javascript:alert(1)"/>'), "an address (href)"),
        (SVG.format("", '<image href="https://example.org/x.png"/>'), "an address (href)"),
        (SVG.format("", '<image href="data:image/svg+xml,x"/>'), "an address (href)"),
        (SVG.format("", "<foreignObject/>"), "<foreignobject>"),
        (SVG.format("", "<style>@import 'x.css';</style>"), "an address (style)"),
        (SVG.format("", r'<rect style="fill:\75rl(https://example.org)"/>'), "an address (style)"),
        (SVG.format("", '<rect fill="url( https://example.org )"/>'), "an address (fill)"),
        ('<?xml-stylesheet href="x.css"?>' + SVG.format("", ""), "an instruction"),
        ('<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG.format("", "&a;"), "declarations"),
        ("<svg><rect></svg>", "no valid XML"),
    ],
)
def test_other_logos_are_refused_with_a_reason(tmp_path, content, said):
    path = tmp_path / "logo.svg"
    path.write_text(content)
    with pytest.raises(InputError, match=re.escape(said)) as error:
        branding.logo_ending(path)
    assert (
        "--report-logo, logo.svg" in str(error.value) and "Export" in str(error.value) or "smaller" in str(error.value)
    )


def executed(**parameters):
    """A notebook as papermill leaves it."""
    first = {"cell_type": "code", "id": "a", "source": ['results = "."\n', 'dataset = ""'], "outputs": ["x"],
             "execution_count": 1, "metadata": {"tags": ["parameters"], "papermill": {"duration": 1}}}  # fmt: skip
    second = first | {"id": "b", "source": "results = 'work'", "metadata": {"tags": ["injected-parameters"]}}
    third = first | {"id": "c", "source": "print(results, dataset)", "metadata": {}}
    about = {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "papermill": {"parameters": parameters, "input_path": "/x"},
    }
    return {"cells": [first, second, third], "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def test_the_bundle_holds_what_was_never_run_and_runs(tmp_path):
    """Its first notebook works in the unpacked folder with nothing but the bundle's own code."""
    import nbformat

    (tmp_path / "d.populations.tsv").write_text("x\n1\n")
    (tmp_path / "params.json").write_text(json.dumps({"input": "/data/secret/samples.csv", "seed": 1}))
    (tmp_path / "big.parquet").write_bytes(b"0" * (bundle.MOST_BYTES + 1))
    notebook = executed(results="work", dataset="it's", standalone=False)
    notebook["cells"][2]["source"] = (
        "import scperturb_cmap\nfrom scperturb_cmap import figures\n"
        "print(scperturb_cmap.__file__, figures.Results(results).datasets, dataset)"
    )
    files = [tmp_path / name for name in ("d.populations.tsv", "params.json", "big.parquet")]
    for name in ("one.zip", "two.zip"):
        bundle.write_bundle(tmp_path / name, {"dataset.ipynb": notebook}, files)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        archive.extractall(tmp_path)
    rerun = tmp_path / "rerun"
    assert (
        "`big.parquet` (5.0 MB)" in (rerun / "README.md").read_text()
        and not (rerun / "results" / "big.parquet").exists()
    )
    assert json.loads((rerun / "results" / "params.json").read_text()) == {"input": "samples.csv", "seed": 1}
    assert re.search(r"^pandas==\d", (rerun / "requirements.txt").read_text(), re.M)
    source = nbformat.read(rerun / "dataset.ipynb", as_version=4)
    nbformat.validate(source)
    assert not any(cell.outputs or cell.execution_count for cell in source.cells) and "papermill" not in source.metadata
    code = "\n".join(cell.source for cell in source.cells)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=rerun, capture_output=True, text=True, env={"PYTHONPATH": "."}
    )
    assert done.returncode == 0, done.stderr
    assert str(rerun / "scperturb_cmap") in done.stdout and "['d'] it's" in done.stdout


def test_the_bundle_is_full_at_its_limit(tmp_path):
    files = [tmp_path / f"{n}.h5ad" for n in range(4)]
    for path in files:
        path.write_bytes(b"0" * 4_000_000)
    kept, left_out = bundle.choose_files(files)
    assert [path.name for path in kept] == ["0.h5ad", "1.h5ad"] and len(left_out) == 2


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_keep_their_rules(path):
    notebook = json.loads(path.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(notebook["cells"]) <= 15
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown" and first["source"][0].startswith("# ") and len(first["source"]) > 2
    assert {"page", "order"} <= set(notebook["metadata"]["report"])
