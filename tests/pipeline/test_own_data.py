"""Own data as users have them: odd file names, tab-separated sheets, a GCT, a layer, hostile labels, no drug annotation.

One population is called NA and one condition None.
"""

import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.nextflow
EVIL = "B <script>alert(1)</script> '\"$(touch hacked)`;"


@pytest.fixture(scope="module")
def own_run(demo, make_project, run_pipeline):
    from scperturb_cmap.io.gctx import GeneMatrix

    project = make_project()
    data = project / "my data"
    data.mkdir()
    cells = ad.read_h5ad(demo / "cells.h5ad")
    cells = cells[cells.obs["cell_type"].isin(["B cells", "NK cells"])].copy()
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).replace({"B cells": EVIL, "NK cells": "NA"})
    cells.obs["condition"] = cells.obs["condition"].astype(str).replace("healthy", "None")
    cells.layers["counts"] = cells.X.copy()
    cells.X = np.log1p(cells.X)
    cells.write_h5ad(data / "cells $(touch hacked) 'x' & y.h5ad")

    matrix = GeneMatrix(demo / "reference.gctx", "gctx")
    info = pd.read_csv(demo / "siginfo.txt", sep="\t", dtype=str).set_index("sig_id").loc[matrix.signatures]
    info["cmap_name"] = info["cmap_name"].replace("demostatin-22", "<img src=x onerror=alert(2)>")  # B cells' reverser
    values = matrix.read(np.arange(len(matrix.signatures)))
    head = ["#1.3", f"{len(matrix.genes)}\t{len(info)}\t0\t3", "\t".join(["id", *info.index])]
    head += ["\t".join([column, *info[column]]) for column in ("cmap_name", "pert_type", "cell_iname")]
    body = ["\t".join([gene, *(f"{value:.4f}" for value in values[:, n])]) for n, gene in enumerate(matrix.genes)]
    (data / "reference.gct").write_text("\n".join(head + body) + "\n")

    columns = ["dataset", "path", "cell_type_key", "condition_key", "case", "control", "donor_key", "layer"]
    row = [
        "mine",
        "cells $(touch hacked) 'x' & y.h5ad",
        "cell_type",
        "condition",
        "disease",
        "None",
        "donor",
        "counts",
    ]
    # as spreadsheets write them: a byte order mark, Windows line ends; and a comment before the header
    # a signature that was made elsewhere: sets in two files
    genes = pd.read_csv(demo / "genes.tsv", sep="\t", dtype=str)["symbol"]
    (data / "up set.grp").write_text("\n".join(genes[:60]))
    (data / "down.grp").write_text("\n".join(genes[60:120]))
    given = ["given", "up set.grp", *[""] * 6]
    rows = [[*columns, "path_down"], [*row, ""], [*given, "down.grp"]]
    sheet = "".join("\t".join(cells) + "\r\n" for cells in rows)
    (data / "samples.tsv").write_bytes(b"\xef\xbb\xbf" + sheet.encode())
    (data / "references.csv").write_bytes(b"# mine\r\npath,reference,format,role\r\nreference.gct,lib,gct,both\r\n")
    shutil.copy(demo / "genes.tsv", data / "genes of mine.tsv")
    sheets = [
        "--input",
        data / "samples.tsv",
        "--references",
        data / "references.csv",
        "--genes",
        data / "genes of mine.tsv",
    ]
    run = run_pipeline(project, *sheets, "--methods", "cosine,spearman", "--headline", "cosine", "--shard_size", 250)
    assert run.status == 0, run.said
    return run


def read(run, name):
    """Ranking with labels as they are: a population may be called NA."""
    path = run.outdir / "ranking" / f"{name}.drugs.tsv"
    return pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""])


def test_ranking(own_run):
    drugs = read(own_run, "mine")
    assert set(drugs["population"]) == {EVIL, "NA", "all cells"}
    assert "score_wtcs" not in drugs and (drugs["method"] == "cosine").all()
    first = drugs[drugs["rank"] == 1].set_index("population")["compound"]
    assert first[EVIL] == "<img src=x onerror=alert(2)>" and first["NA"] == "fictazole-52"


def test_a_ready_made_signature_goes_the_same_way(own_run):
    drugs = read(own_run, "given")
    assert set(drugs["population"]) == set(drugs["evidence"]) == {"given"} and (drugs["status"] == "ok").all()
    signature = ad.read_h5ad(own_run.outdir / "signatures" / "given.signatures.h5ad")
    assert (signature.X == 1).sum() == (signature.X == -1).sum() == 60 and signature.obs["effect"].tolist() == ["set"]
    assert "made elsewhere" in (own_run.outdir / "report" / "population.given.001.html").read_text()
    # a learned score would have to hold for both kinds of queries
    commands = [path.read_text() for path in (own_run.outdir.parent / "work").glob("*/*/.command.sh")]
    assert sum("--query-kinds gene_sets single_cells " in command for command in commands) == 1


def test_shards_do_not_change_the_result(own_run, demo_run):
    assert len(list((own_run.outdir / "scores").glob("*.scores.parquet"))) == 3
    mine, whole = (
        read(run, name).query("population == @population").set_index("compound")
        for run, name, population in ((own_run, "mine", "NA"), (demo_run, "demo", "NK cells"))
    )
    both = mine.index.intersection(whole.index)
    assert len(both) >= 159
    np.testing.assert_allclose(mine.loc[both, "score_cosine"], whole.loc[both, "score_cosine"], atol=1e-3)


def test_leading_edges_of_all_shards_come_together(own_run):
    """By the sets of WTCS, whatever score ranked the drugs; without an annotation nothing is enriched."""
    folder = own_run.outdir / "ranking"
    for name in ("mine", "given"):
        edges, pairs, found = (
            pd.read_csv(folder / f"{name}.{what}.tsv", sep="\t", keep_default_na=False)
            for what in ("leading_edges", "pairs", "enrichment")
        )
        drugs = read(own_run, name)
        assert set(pairs["population"]) == set(found["population"]) == set(drugs["population"])
        assert set(edges["population"]) == set(drugs["population"]) and edges["signature"].nunique() > 10
        assert set(edges["signature"]) <= set(drugs["best_signature"])
        first = pairs.drop_duplicates("population").merge(drugs[drugs["rank"] == 1], on="population")
        assert (first["first"] == first["compound"]).all() and (first["status_x"] == "ok").all()
        assert (found["status"] == "not_run").all() and found["reason"].str.contains("--drugs").all()


def test_nothing_was_executed(own_run):
    assert not list(own_run.outdir.parent.rglob("hacked"))


def test_the_report_shows_names_as_text(own_run, check_report):
    assert check_report(own_run.outdir / "report", of_a_kind=1, widths=(320,)) == []
    pages = list((own_run.outdir / "report").glob("population.mine.*.html"))
    assert len(pages) > 2 and all("&lt;img src=x onerror" in page.read_text() for page in pages)
