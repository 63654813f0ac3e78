"""Executed notebooks become a folder of pages that needs nothing else; faults are sentences."""

import json
import re
import shutil
import zipfile

import pytest


def page(path, title, html="<p>text</p>", report=None, **parameters):
    """Write an executed notebook."""
    output = {"output_type": "display_data", "data": {"text/html": html}, "metadata": {}}
    content = {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"# {title}\n\nWords."},
            {"cell_type": "code", "id": "b", "metadata": {}, "source": "secret", "outputs": [output], "execution_count": 1},
        ],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "report": report or {}, "papermill": {"parameters": parameters},
        },
        "nbformat": 4, "nbformat_minor": 5,
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def pages(tmp_path):
    dataset = {"page": "dataset", "title": "dataset", "part": "Data sets", "order": 1}
    population = {"page": "population", "title": "population", "under": "dataset", "order": 2}
    inside = {"dataset": "my_data.2", "population": "B [*naive*]"}
    return [
        page(tmp_path / "c.ipynb", "Methods", report={"page": "methods", "part": "About", "order": 3}),
        page(tmp_path / "02_dataset.my_data.2.ipynb", "Data set", report=dataset, dataset="my_data.2"),
        page(tmp_path / "03_population.my_data.2.001.ipynb", "Population", report=population, **inside),
        page(tmp_path / "a.ipynb", "Overview", '<a href="dataset.my_data.2.html">x</a>', {"page": "index", "order": 0}),
    ]


@pytest.fixture
def build(stage, root, tmp_path):
    def run(notebooks, *options, book=root / "report"):
        return stage("build_report", "--book", book, "--notebooks", *notebooks, "--out", tmp_path / "out", *options)

    return run


def test_the_pages_their_order_and_the_zip(build, pages, tmp_path):
    (tmp_path / "a & b.tsv").write_text("x\n1\n")
    status, said = build(pages, "--tables", tmp_path / "a & b.tsv", "--report-title", "Report for <us>")
    assert status == 0, said
    out = tmp_path / "out"
    assert {path.name for path in out.glob("*.html")} >= {
        "index.html",
        "dataset.my_data.2.html",
        "methods.html",
        "tables.html",
    }
    index = (out / "index.html").read_text()
    navigation = index[index.index('class="bd-sidebar-primary') :]
    assert re.findall(r'internal" href="([a-z_.0-9]*)\.html', navigation)[:5] == [
        "dataset.my_data.2",
        "population.my_data.2.001",
        "methods",
        "glossary",
        "tables",
    ]
    assert "<h1>B [*naive*]</h1>" in (out / "population.my_data.2.001.html").read_text()
    assert "Report for &lt;us&gt;" in index and "<us>" not in index
    assert "my_data.2" in (out / "dataset.my_data.2.html").read_text()
    assert (
        'href="tables/a%20%26%20b.tsv"' in (out / "tables.html").read_text()
        and (out / "tables" / "a & b.tsv").is_file()
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out.")]  # nothing half-built is left
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        assert set(archive.namelist()) == {f"report/{p.relative_to(out)}" for p in out.rglob("*") if p.is_file()}


def test_nothing_is_fetched_and_no_code_is_shown(build, pages, tmp_path):
    assert build(pages)[0] == 0
    html = "".join(path.read_text() for path in (tmp_path / "out").glob("*.html"))
    assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', html)) and "secret" not in html
    assert (tmp_path / "out" / "_static" / "plotly.min.js").is_file()
    assert not (tmp_path / "out" / "tables.html").exists()
    assert sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file()) < 12e6


def test_a_second_build_replaces_the_first(build, pages, tmp_path):
    assert build(pages)[0] == 0
    first = (tmp_path / "report.zip").read_bytes()
    assert build(pages)[0] == 0
    assert (tmp_path / "report.zip").read_bytes() == first


def test_downloads_title_logo_and_contact(build, pages, tmp_path):
    hostile = '"><img src=x onerror=alert(1)>'
    table, other = tmp_path / f"{hostile[:4]} b.genes.tsv", tmp_path / "run.params.json"
    table.write_text("gene\tgene_key\tmatched_by\n=1+1\t7\tsymbol\n")
    other.write_text("{}")
    (tmp_path / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    options = ("--tables", table, "--results", table, other, "--report-logo", tmp_path / "logo.svg",
               f"--report-title={hostile}", f"--report-contact={hostile} me@example.org")  # fmt: skip
    status, said = build(pages, *options)
    assert status == 0, said
    out, first = tmp_path / "out", (tmp_path / "report.zip").read_bytes()
    assert {path.name for path in (out / "tables").iterdir()} == {table.name, f"{hostile[:4]} b.xlsx"}
    page = (out / "tables.html").read_text()
    assert "<img src=x" not in page and page.count("&lt;img src=x") >= 2
    assert 'href="mailto:me@example.org"' in page and 'href="rerun.zip"' in page and "its Entrez id" in page
    assert 'src="_static/logo.svg"' in (out / "index.html").read_text()
    with zipfile.ZipFile(out / "rerun.zip") as archive:
        names = archive.namelist()
        assert {"rerun/index.ipynb", "rerun/README.md", "rerun/results/run.params.json"} <= set(names)
        assert not any("/__pycache__/" in name for name in names)
    assert build(pages, *options)[0] == 0
    assert (tmp_path / "report.zip").read_bytes() == first


def test_a_read_only_installation_is_enough(build, pages, root, tmp_path):
    book = shutil.copytree(root / "report", tmp_path / "book")
    (tmp_path / "a.genes.tsv").write_text("gene\tgene_key\tmatched_by\n")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    files = [tmp_path / "a.genes.tsv", tmp_path / "logo.png", *book.rglob("*"), book]
    for path in files:
        path.chmod(path.stat().st_mode & ~0o222)
    status, said = build(pages, "--tables", files[0], "--results", files[0], "--report-logo", files[1], book=book)
    assert status == 0, said
    assert build(pages, "--tables", files[0], book=book)[0] == 0  # and what it wrote can be replaced
    for path in files:
        path.chmod(path.stat().st_mode | 0o200)


def test_faults_are_named(build, pages, tmp_path, root):
    assert "The file does not exist" in build([tmp_path / "none.ipynb"])[1]
    (tmp_path / "bad.ipynb").write_text("<html>")
    assert "no Jupyter notebook" in build([tmp_path / "bad.ipynb"])[1]
    status, said = build(
        [*pages[:3], pages[0]],
        "--tables",
        tmp_path / "none.tsv",
        "--report-logo",
        tmp_path / "bad.ipynb",
        book=tmp_path,
    )
    assert status == 1 and "has 5 problems" in said and "--report-logo, bad.ipynb: It is no PNG" in said
    assert all(text in said for text in ("no _config.yml", "first page, is missing", "make the same page", "none.tsv"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    assert "is no report" in build(pages)[1] and (tmp_path / "out" / "thesis.txt").exists()


def test_a_dead_link_stops_the_build(build, pages, tmp_path):
    page(pages[3], "Overview", '<a href="dataset_gone.html">x</a>', {"page": "index"})
    status, said = build(pages)
    assert status == 1 and "index.html, dataset_gone.html: The link leads nowhere." in said
    assert not (tmp_path / "out").exists()


def test_a_broken_page_stops_the_build(build, pages, tmp_path):
    page(pages[3], "[x](nowhere.md)", report={"page": "index"})
    status, said = build(pages)
    assert status == 1 and "Jupyter Book found a fault" in said and "nowhere.md" in said and "Traceback" not in said


def test_a_title_is_text_wherever_it_stands(build, pages, tmp_path):
    report = {"page": "population", "title": "population", "under": "dataset", "order": 2}
    name = "<script>alert(1)</script>"
    page(pages[2], "Population", report=report, dataset="my_data.2", population=name)
    assert build(pages)[0] == 0
    html = "".join(path.read_text() for path in (tmp_path / "out").glob("*.html"))
    assert name not in html and "&lt;script&gt;alert(1)" in html
