"""Ready-made signatures: every dialect gives the same signature, and what is none of them gets a sentence."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.queries import read_queries
from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, signature_set
from scperturb_cmap.orthologs import harmonise_orthologs, map_orthologs
from scperturb_cmap.scoring import score_signatures
from scperturb_cmap.signatures.ready_made import query_signatures
from scperturb_cmap.utils.errors import InputError

N = 60
GENES = [f"G{n}" for n in range(N)]
Z = np.linspace(6, -6, N)
TRUE = pd.DataFrame({"gene": GENES, "z": Z, "lfc": Z / 3, "p": 2 * norm.sf(np.abs(Z)), "q": np.abs(Z) / 10})

#: Column names as the tools write them; where "gene" is "" the genes are row names.
DIALECTS = {
    "scanpy": {"gene": "names", "z": "scores", "lfc": "logfoldchanges", "p": "pvals", "q": "pvals_adj"},
    "seurat": {"gene": "", "p": "p_val", "lfc": "avg_log2FC", "q": "p_val_adj"},
    "deseq2": {"gene": "", "lfc": "log2FoldChange", "z": "stat", "p": "pvalue", "q": "padj"},
    "edger": {"gene": "", "lfc": "logFC", "p": "PValue", "q": "FDR"},
    "limma": {"gene": "", "lfc": "logFC", "z": "t", "p": "P.Value", "q": "adj.P.Val"},
}


@pytest.fixture
def table():
    columns = {"entrez_id": [str(n + 1) for n in range(N)], "symbol": GENES, "ensembl_id": "", "synonyms": ""}
    return GeneTable.from_tables([pd.DataFrame(columns | {"feature_space": "landmark"})])


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_signature(tmp_path, dialect, separator):
    names = DIALECTS[dialect]
    shuffled = TRUE.sample(frac=1, random_state=1)
    written = shuffled[list(names)].rename(columns=names).assign(other="x")
    path = tmp_path / "de.csv"
    text = written.to_csv(index=False, sep=separator, float_format="%.12g")
    if names["gene"] == "" and separator == "\t":  # R's write.table: no name for the row names
        text = text.removeprefix('""').removeprefix("\t")
    path.write_text(text)
    (query,) = read_queries(path)
    found = query.table.set_index("gene").loc[GENES]
    np.testing.assert_allclose(found["value"], Z, rtol=1e-6)
    np.testing.assert_allclose(found["log_fc"], TRUE["lfc"], rtol=1e-6)
    np.testing.assert_allclose(found["fdr"], TRUE["q"], rtol=1e-6)
    assert query.effect == ("statistic" if "z" in names else "signed_z")


def test_a_column_of_clusters_gives_one_signature_each(tmp_path):
    both = pd.concat([TRUE.assign(cluster="B"), TRUE.assign(cluster="T", lfc=-TRUE["lfc"])])
    both = both.rename(columns={"p": "p_val", "lfc": "avg_log2FC"})[["gene", "p_val", "avg_log2FC", "cluster"]]
    both.to_csv(tmp_path / "markers.tsv", sep="\t", index=False)
    first, second = read_queries(tmp_path / "markers.tsv")
    assert (first.population, second.population) == ("B", "T")
    np.testing.assert_allclose(first.table["value"], -second.table["value"])
    assert [query.population for query in read_queries(tmp_path / "markers.tsv", patterns=["T*"])] == ["T"]
    with pytest.raises(InputError, match="There is no population 'NK'"):
        read_queries(tmp_path / "markers.tsv", patterns=["B", "NK"])
    assert first.table["fdr"].notna().all()  # Benjamini-Hochberg where none is given


def test_p_values_of_zero_are_told_apart_by_the_change(tmp_path):
    pd.DataFrame({"gene": list("abc"), "p_val": [0, 0, 1e-320], "avg_log2FC": [1.0, 3.0, -2.0]}).to_csv(
        tmp_path / "de.csv", index=False
    )
    value = read_queries(tmp_path / "de.csv")[0].table.set_index("gene")["value"]
    assert np.isfinite(value).all() and value["b"] > value["a"] > 30 and value["c"] < -30


def test_sets_in_every_form_are_the_same(tmp_path):
    up, down = GENES[:12], GENES[-12:]
    (tmp_path / "s.gmt").write_text("x_UP\tna\t" + "\t".join(up) + "\nx_DN\tna\t" + "\t".join(down) + "\n")
    (tmp_path / "u.gmt").write_text("x\tna\t" + "\t".join(up) + "\n")
    (tmp_path / "d.gmt").write_text("x\tna\t" + "\t".join(down) + "\n")
    (tmp_path / "u.grp").write_text("# up\n" + "\n".join(up))
    (tmp_path / "d.txt").write_text("\r\n".join(down) + "\r\n")
    found = [
        read_queries(tmp_path / "s.gmt"),
        read_queries(tmp_path / "u.gmt", tmp_path / "d.gmt"),
        read_queries(tmp_path / "u.grp", tmp_path / "d.txt"),
    ]
    for queries in found:
        assert len(queries) == 1 and queries[0].effect == "set"
        values = queries[0].table.set_index("gene")["value"]
        assert values[up].eq(1).all() and values[down].eq(-1).all() and len(values) == 24


@pytest.mark.parametrize("text", ["".join(f"{g}\t{z}\n" for g, z in zip(GENES, Z, strict=True)), "\n".join(GENES)])
def test_ranked_lists(tmp_path, text):
    (tmp_path / "a.rnk").write_text(text)
    (query,) = read_queries(tmp_path / "a.rnk")
    assert query.effect == "rank" and query.table["gene"].tolist() == GENES
    assert (np.diff(query.table["value"]) < 0).all() and query.table["value"].iloc[-1] < 0 < query.table["value"].iloc[
        0
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "gene,colour\nA,red\n", "column 'log_fc': None of the columns"),
        ("a.csv", "gene,logFC,PValue\nA,1,0.1\nB,x,0.2\n", "line 3, column 'logFC': 'x' is no number"),
        ("a.csv", "gene,logFC,PValue\nA,1,0.1\nB,-1,2\n", "values outside 0 to 1"),
        ("a.csv", "gene,logFC,PValue\nA,1,0.1\nB,2,0.2\n", "one sign only"),
        ("a.rnk", "A\t1\nB\t2\n", "one sign only"),
        ("a.rnk", "A\t1\nB\thigh\n", "'high' is no number"),
        ("a.gmt", "x\tna\tA\n", "Its name ends in neither _UP nor _DN"),
        ("a.gmt", "x_UP\tna\tA\tB\nx_DN\tna\tB\n", "1 genes are in the up and in the down set"),
        ("a.grp", "", "The file is empty"),
        ("a.grp", "<html><body>log in</body></html>", "HTML page"),
    ],
)
def test_what_is_no_signature_gets_a_sentence(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=said):
        read_queries(tmp_path / name)


def test_a_set_keeps_its_size_in_the_scores(tmp_path, table):
    """Sets of 25 genes are not cut to --n_genes: a drug that moves only the later genes is seen."""
    (tmp_path / "u.grp").write_text("\n".join(GENES[:25]))
    (tmp_path / "d.grp").write_text("\n".join(GENES[-25:]))
    (query,) = read_queries(tmp_path / "u.grp", tmp_path / "d.grp")
    names = {"dataset": "d", "case": "", "control": ""}
    queries = query_signatures([query], [table.map(query.table["gene"])], table, **names).signatures
    obs = pd.DataFrame({column: ["x"] for column in PERTURBATION_COLUMNS}, index=["x:1"])
    reference = signature_set(Z[None, :], obs, table.genes, "modz")
    scores = next(score_signatures(queries, reference, ["wtcs"], n_genes=5, min_tags=5, device="cpu"))
    assert scores.loc[0, ["n_up", "n_down"]].tolist() == [25, 25] and scores.loc[0, "wtcs"] > 0.9


def test_of_two_rows_of_a_gene_the_trusted_and_stronger_counts(table):
    from scperturb_cmap.io.queries import Query

    rows = pd.DataFrame(
        {"gene": ["G1", "2", "G3", "G3"], "value": [9.0, -4.0, 1.0, -7.0], "log_fc": 1.0, "p_value": 0.5, "fdr": 0.5}
    )
    names = {"dataset": "d", "case": "", "control": ""}
    found = query_signatures([Query("", rows, "statistic")], [table.map(rows["gene"])], table, **names).signatures
    assert found.to_df().iloc[0].to_dict() == {"2": -4.0, "4": -7.0}  # G1 has Entrez id 2
    assert found.obs["evidence"].tolist() == ["given"] and found.obs["population"].tolist() == ["d"]


def test_orthologs_are_one_to_one_or_nothing(table):
    biomart = pd.DataFrame(
        [
            ("ENSMUSG1", "g1", "G1", "ortholog_one2one"),
            ("ENSMUSG2", "g2", "G2", "ortholog_one2many"),
            ("ENSMUSG3", "g3", "G3", "ortholog_one2one"),
            ("ENSMUSG4", "g3b", "G3", "ortholog_one2one"),
            ("ENSMUSG5", "g5", "nothing", "ortholog_one2one"),
        ],
        columns=["Gene stable ID", "Gene name", "Human gene name", "Human homology type"],
    )
    pairs = harmonise_orthologs(biomart, table, "biomart.tsv")
    assert pairs == {"ENSMUSG1": "2", "g1": "2"}
    assert map_orthologs(["ENSMUSG1.4", "g3", "G1"], pairs)["gene_key"].tolist() == ["2", "", ""]
    paralogue = pd.DataFrame({"gene": ["g1", "g3", "g3"], "human_gene": ["G1", "G3", "no gene of the table"]})
    assert harmonise_orthologs(paralogue, table, "pairs.tsv") == {"g1": "2"}
    with pytest.raises(InputError, match="no one-to-one pair"):
        harmonise_orthologs(biomart.iloc[1:2], table, "biomart.tsv")
    with pytest.raises(InputError, match="no column of the human"):
        harmonise_orthologs(pd.DataFrame({"gene": ["a"], "mouse": ["b"]}), table, "pairs.tsv")
