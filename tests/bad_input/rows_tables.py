"""Tables: genes, drugs, orthologs, known drugs, ready-made signatures, and scores with labels of other tools."""

import gzip

import numpy as np
import pandas as pd
from damages import DAMAGED_GZIP, HTML, PNG, POINTER, both, cell, changed, content, lost, options, replaced

from bad_input import Row, rows_of

GENES, DRUGS, ORTHOLOGS, KNOWN = "gene table", "drug annotation", "ortholog table", "indications and sensitivities"
DE, RNK, GRP, SETS, SCORES = (
    "table of differential expression",
    "ranked list",
    "gene set (GRP)",
    "gene sets (GMT)",
    "scores and labels",
)

genes = rows_of(GENES, "check")
drugs = rows_of(DRUGS, "check")
orthologs = rows_of(ORTHOLOGS, "check more")
known = rows_of(KNOWN, "check more")


def de(name: str, damage, *said: str, scene: str = "check de", told: bool = False) -> Row:
    return Row(DE, scene, name, damage, said, told)


def scores(name: str, damage, *said: str, told: bool = False) -> Row:
    return Row(SCORES, "any scores", name, damage, said, told)


def parquet(change) -> object:
    """Scores as Parquet."""

    def damage(folder) -> list[str]:
        change(pd.read_csv(folder / "scores.tsv", sep="\t")).to_parquet(folder / "scores.parquet")
        return ["--scores", str(folder / "scores.parquet")]

    return damage


ROWS = [
    genes("a web page", content("genes.tsv", HTML), "genes.tsv: It is an HTML page"),
    genes("a pointer", content("genes.tsv", POINTER), "genes.tsv: It is a git-lfs pointer"),
    genes("empty", content("genes.tsv", b""), "genes.tsv: The file is empty"),
    genes("a picture", content("genes.tsv", PNG), "genes.tsv: It is not a UTF-8 text table"),
    genes("a header alone", content("genes.tsv", "entrez_id\tsymbol\n"), "genes.tsv, column 'entrez_id': No row has an Entrez id"),
    genes("other columns", content("genes.tsv", "gene,name\n1,A\n"), "genes.tsv, column 'entrez_id'", "genes.tsv, column 'symbol'", "HGNC complete set"),
    genes("symbols as ids", changed("genes.tsv", lambda t: t.assign(entrez_id=t["symbol"])), "No row has an Entrez id, a whole number (such as 'GENE0001')"),
    genes("a few genes", changed("genes.tsv", lambda t: t.head(20)), "cells.h5ad, gene ids: Only", "reference.gctx, gene ids: Only 20 of 150"),
    genes("lost", lost("genes.tsv"), "genes.tsv: The file does not exist"),
    genes("a comment alone", content("genes.tsv", "# later\n"), "genes.tsv: It does not parse as a table (it has no header)"),
    genes("a bomb", content("genes.tsv", gzip.compress(b"\0" * 10_000_000)), "genes.tsv: It is not a UTF-8 text table"),
    drugs("a web page", content("drugs.tsv", HTML), "drugs.tsv: It is an HTML page"),
    drugs("a pointer", content("drugs.tsv", POINTER), "drugs.tsv: It is a git-lfs pointer"),
    drugs("empty", content("drugs.tsv", b""), "drugs.tsv: The file is empty"),
    drugs("a picture", content("drugs.tsv", PNG), "drugs.tsv: It is not a UTF-8 text table"),
    drugs("no names", changed("drugs.tsv", lambda t: t.drop(columns="pert_iname")), "drugs.tsv, column 'compound': None of the columns", "compound names"),
    drugs("a header alone", content("drugs.tsv", "pert_iname\tmoa\n"), "drugs.tsv: No row names a compound", "leave the table out"),
    drugs("empty names", content("drugs.tsv", "pert_iname\tmoa\n\tx\n"), "drugs.tsv: No row names a compound"),
    drugs("a column twice", replaced("drugs.tsv", "\tmoa\t", "\ttarget\t"), "drugs.tsv, column 'target': The name stands more than once"),
    drugs("ragged", replaced("drugs.tsv", "demo kinase inhibitor", "demo\tkinase inhibitor"), "drugs.tsv: It does not parse as a table"),
    drugs("a workbook", content("drugs.tsv", b"PK\x03\x04" + bytes(40)), "drugs.tsv: It is an archive or a workbook"),
    orthologs("a web page", content("orthologs.tsv", HTML), "orthologs.tsv: It is an HTML page"),
    orthologs("lost", lost("orthologs.tsv"), "orthologs.tsv: The file does not exist"),
    orthologs("no human side", changed("orthologs.tsv", lambda t: t.rename(columns={"human_gene": "man"})), "orthologs.tsv: It has no column of the human"),
    orthologs("no other side", changed("orthologs.tsv", lambda t: t.rename(columns={"gene": "mouse"})), "no column of the other species"),
    orthologs("no one-to-one pair", changed("orthologs.tsv", lambda t: t.assign(human_gene="GENE0001")), "It holds no one-to-one pair"),
    orthologs("genes nobody knows", changed("orthologs.tsv", lambda t: t.assign(human_gene="x" + t["human_gene"])), "human genes that --genes knows"),
    orthologs("of another species than the data", both(cell("samples.csv", "organism", "mouse")), "cells.h5ad, gene ids: Only 0 of"),
    known("a web page as indications", content("indications.tsv", HTML), "indications.tsv: It is an HTML page"),
    known("lost indications", lost("indications.tsv"), "indications.tsv: The file does not exist"),
    known("indications without compounds", changed("indications.tsv", lambda t: t.drop(columns="compound")),
          "indications.tsv, column 'compound': None of the columns compound, pert_iname, drug is there"),
    known("indications without data sets", changed("indications.tsv", lambda t: t.drop(columns="dataset")), "indications.tsv, column 'dataset'"),
    known("indications without rows", content("indications.tsv", "dataset\tcompound\n"), "indications.tsv: No row names both a data set and a compound"),
    known("indications of other data sets", changed("indications.tsv", lambda t: t.assign(dataset="Lupus")),
          "indications.tsv, column 'dataset': It names no data set of this run ('demo'), but 'Lupus'", "Call the diseases as the sample sheet does"),
    known("sensitivities of other data sets", changed("sensitivity.tsv", lambda t: t.assign(dataset="Lupus")),
          "sensitivity.tsv, column 'dataset': It names no data set of this run ('demo'), but 'Lupus'"),
    known("an empty sensitivity table", content("sensitivity.tsv", b""), "sensitivity.tsv: The file is empty"),
    known("a sensitivity that is none", cell("sensitivity.tsv", "sensitivity", "strong"), "column 'sensitivity': 'strong' is no number", "an AUC or a log IC50"),
    known("an infinite sensitivity", cell("sensitivity.tsv", "sensitivity", "inf"), "column 'sensitivity': 'inf' is no number"),
    known("no sensitivity", changed("sensitivity.tsv", lambda t: t.assign(sensitivity="")), "column 'sensitivity': No row has a number"),
    known("sensitivities without their column", changed("sensitivity.tsv", lambda t: t.drop(columns="sensitivity")), "sensitivity.tsv, column 'sensitivity'"),
    known("everything at once", both(content("indications.tsv", HTML), content("sensitivity.tsv", b""), lost("orthologs.tsv"), content("drugs.tsv", b""),
          cell("samples.csv", "case", "ill")), "The input has 5 problems", "indications.tsv", "sensitivity.tsv", "orthologs.tsv", "drugs.tsv", "'ill'"),
    de("a web page", content("de.csv", HTML), "de.csv: It is an HTML page"),
    de("a header alone", content("de.csv", "gene,avg_log2FC,p_val\n"), "de.csv: It has a header and no rows", "Give one row per gene"),
    de("no gene", changed("de.csv", lambda t: t.drop(columns="gene")), "de.csv, column 'gene': None of the columns names, gene"),
    de("no change", changed("de.csv", lambda t: t.drop(columns="avg_log2FC")), "de.csv, column 'log_fc': None of the columns"),
    de("no p-value", changed("de.csv", lambda t: t.drop(columns="p_val")), "de.csv, column 'p_value': None of the columns", "scanpy, Seurat"),
    de("text as change", cell("de.csv", "avg_log2FC", "1,5", 2), "de.csv, line 4, column 'avg_log2FC': '1,5' is no number"),
    de("a p-value above 1", cell("de.csv", "p_val", "1.5"), "de.csv, column 'p_val': It holds values outside 0 to 1"),
    de("an adjusted p-value below 0", cell("de.csv", "p_val_adj", "-1"), "de.csv, column 'p_val_adj': It holds values outside 0 to 1"),
    de("genes up only", changed("de.csv", lambda t: t.head(30)), "de.csv, population 'B': Its values have one sign only", "positive = higher in cases"),
    de("no population", cell("de.csv", "cluster", "", 5), "de.csv, line 7, column 'cluster': The value is empty"),
    de("no value at all", changed("de.csv", lambda t: t.assign(p_val="NA")), "de.csv, population 'B': Its values have one sign only"),
    de("genes nobody knows", replaced("de.csv", "GENE", "X"), "de.csv, B, gene ids: Only 0 of 80"),
    de("a layer of a signature", content("samples.csv", "dataset,path,layer\nmine,de.csv,counts\n"), "column 'layer': A ready-made signature has none"),
    de("a lost population", content("samples.csv", "dataset,path,populations\nmine,de.csv,T\n"), "de.csv: There is no population 'T'"),
    de("cells among signatures", content("samples.csv", "dataset,path\nmine,de.csv\nmore,cells.h5ad\n"), "column 'donor_key': The column is missing"),
    de("p-values that are whole numbers", changed("de.csv", lambda t: t.assign(p_val=(["0", "1"] * len(t))[: len(t)], p_val_adj="")), "80 of 80 genes matched", scene="derive", told=True),
    de("some genes nobody knows", replaced("de.csv", "GENE000", "X"), "71 of 80 genes matched, 0 ambiguous, 9 unmatched", scene="derive", told=True),
    Row(RNK, "check rnk", "three columns", content("list.rnk", "GENE0001\t1\t2\n"), ("list.rnk: A ranked list has a gene and a score per line",)),
    Row(RNK, "check rnk", "a score that is none", replaced("list.rnk", "GENE0003\t", "GENE0003\thigh"), ("list.rnk, gene 'GENE0003'", "is no number")),
    Row(RNK, "check rnk", "the first score missing", replaced("list.rnk", "GENE0001\t4.000", "GENE0001\tNA"), ("list.rnk, gene 'GENE0001': Its score 'NA' is no number",)),
    Row(RNK, "check rnk", "an infinite score", replaced("list.rnk", "GENE0001\t4.000", "GENE0001\tinf"), ("Its score 'inf' is no number",)),
    Row(RNK, "check rnk", "one sign", replaced("list.rnk", "-", ""), ("list.rnk: Its values have one sign only",)),
    Row(RNK, "check rnk", "damaged gzip", content("list.rnk", DAMAGED_GZIP), ("list.rnk: It is not a UTF-8 text file",)),
    Row(RNK, "check rnk", "uneven lines", content("list.rnk", "GENE0001\t1\nGENE0002\n"), ("list.rnk: A ranked list has a gene and a score per line",)),
    Row(GRP, "check grp", "empty", content("up.grp", ""), ("up.grp: The file is empty",)),
    Row(GRP, "check grp", "two columns", content("up.grp", "GENE0001\t1\n"), ("up.grp: A gene set has one gene per line",)),
    Row(GRP, "check grp", "a gene up and down", replaced("down.grp", "GENE0051", "GENE0001"), ("1 genes are in the up and in the down set (GENE0001)",)),
    Row(GRP, "check grp", "a lost down set", lost("down.grp"), ("samples.csv, line 2, column 'path_down': There is no file 'down.grp'",)),
    Row(GRP, "check grp", "a picture", content("down.grp", PNG), ("down.grp: It is not a UTF-8 text file",)),
    Row(GRP, "check grp", "NUL", content("down.grp", b"GENE0051\n\x00\n"), ("down.grp: It holds no genes",)),
    Row(SETS, "check sets", "a name of no side", replaced("sets.gmt", "x_UP", "x"), ("sets.gmt, set 'x': Its name ends in neither _UP nor _DN",)),
    Row(SETS, "check sets", "a set twice", replaced("sets.gmt", "x_DN", "x_UP"), ("sets.gmt, set 'x_UP': It stands more than once",)),
    Row(SETS, "check sets", "two down sets of one name", content("sets.gmt", "x_UP\tna\tGENE0001\nx_DN\tna\tGENE0002\nx_down\tna\tGENE0003\n"),
        ("sets.gmt, set 'x_down': There is another down set of this name, 'x_DN'",)),
    Row(SETS, "check sets", "no name beside that of the data set", content("sets.gmt", "".join(
        f"{name}\tna\tGENE{n:04d}\n" for n, name in enumerate(["UP", "DN", "mine_UP", "mine_DN"], 1))),
        ("sets.gmt: The population 'mine' stands more than once", "one without is called by the data set")),
    Row(SETS, "check sets", "no genes", content("sets.gmt", "x_UP\tna\t\n"), ("A line of a GMT file has a name, a description and genes",)),
    Row(SETS, "check sets", "a gene on both sides", replaced("sets.gmt", "GENE0041", "GENE0001"), ("1 genes are in the up and in the down set",)),
    scores("a web page", content("scores.tsv", HTML), "scores.tsv: It is an HTML page"),
    scores("no items", changed("scores.tsv", lambda t: t.drop(columns="item")), "scores.tsv, item: The column is missing"),
    scores("no numbers", changed("scores.tsv", lambda t: t.assign(tool="good")), "scores.tsv: There is no column of scores"),
    scores("a pair twice", changed("scores.tsv", lambda t: pd.concat([t, t.head(1)])), "scores.tsv, query, item: ['q0', 'i0'] stands twice"),
    scores("infinite", cell("scores.tsv", "tool", "inf"), "scores.tsv, tool: It holds an infinite score"),
    scores("text among the scores of a long table", changed("scores.tsv", lambda t: t.rename(columns={"tool": "score"}).assign(
        method="a", score=["?", *t["tool"][1:]])), "scores.tsv, score: '?' is no number"),
    scores("a method called as a column", changed("scores.tsv", lambda t: t.rename(columns={"tool": "score"}).assign(method="query")),
           "scores.tsv, method: A method is called 'query', as a column of the table is", "Give it another name"),
    scores("row numbers alone", parquet(lambda t: t.rename(columns={"tool": "Unnamed: 0"})), "scores.parquet: There is no column of scores"),
    scores("a row without a method", changed("scores.tsv", lambda t: t.rename(columns={"tool": "score"}).assign(
        method=["", *["a"] * (len(t) - 1)])), "scores.tsv, method: A row names no method"),
    scores("dates as scores", parquet(lambda t: t.assign(tool=pd.Timestamp("2020-01-01"))), "scores.parquet: There is no column of scores"),
    scores("numbers as names of columns", parquet(lambda t: t.rename(columns={"tool": 0}).assign(tool=np.inf)), "scores.parquet, tool: It holds an infinite"),
    scores("Parquet cut short", lambda folder: [*parquet(lambda t: t)(folder), *((folder / "scores.parquet").write_bytes(
        (folder / "scores.parquet").read_bytes()[:300]) and [])], "scores.parquet: It is no readable Parquet file, or it is cut off"),
    scores("labels that are none", cell("labels.tsv", "label", "perhaps"), "labels.tsv, label: 'perhaps' is neither yes nor no"),
    scores("no positive", changed("labels.tsv", lambda t: t.assign(label="0")), "labels.tsv, label: There is no positive"),
    scores("a label twice", changed("labels.tsv", lambda t: pd.concat([t, t.head(1)])), "labels.tsv, query, item: ['q0', 'i0'] stands twice"),
    scores("labels of other queries", changed("labels.tsv", lambda t: t.assign(query="x" + t["query"])), "labels.tsv: No query of the scores has both"),
    scores("some labels of other queries", cell("labels.tsv", "query", "elsewhere"), "1 of 12 labelled queries have no score", told=True),
    scores("no labels", options("--labels", "{folder}/lost.tsv"), "lost.tsv: The file does not exist"),
]  # fmt: skip
