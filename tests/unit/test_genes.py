"""Gene identifiers: order of matching, ambiguity, and the stop at low overlap."""

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.genes import GeneTable, check_mapping, harmonise_gene_table
from scperturb_cmap.reference.build import choose_rows
from scperturb_cmap.utils.errors import InputError


def matches(table, *ids):
    return table.map(ids)[["gene_key", "matched_by"]].values.tolist()


def test_order_of_matching(gene_table):
    table = GeneTable.from_tables([gene_table])
    assert matches(table, "2", "ENSG04.7", "ENSG44", "CCC", "OLD1", "nothing") == [
        ["2", "entrez_id"], ["4", "ensembl_id"], ["4", "ensembl_id"], ["3", "symbol"], ["1", "synonym"], ["", "unmatched"],
    ]  # fmt: skip


def test_a_symbol_beats_another_genes_synonym_and_shared_synonyms_are_ambiguous(gene_table):
    table = GeneTable.from_tables([gene_table])
    assert matches(table, "AAA", "BOTH") == [["1", "symbol"], ["", "ambiguous"]]


def test_the_first_table_is_authoritative(gene_table):
    newer = pd.DataFrame({
        "entrez_id": ["1", "9"], "symbol": ["NEW1", "AAA"], "ensembl_id": ["", ""], "synonyms": ["AAA", "DDD"],
        "feature_space": ["other", "other"],
    })  # fmt: skip
    table = GeneTable.from_tables([gene_table, newer])
    # AAA is gene 1 in the first table, whatever the second calls by that name
    assert matches(table, "AAA", "NEW1", "9", "DDD") == [
        ["1", "symbol"],
        ["1", "current_symbol"],
        ["9", "entrez_id"],
        ["4", "symbol"],
    ]
    assert table.genes.loc["1", "feature_space"] == "landmark"


def test_an_ambiguous_symbol_is_not_found_as_a_synonym(gene_table):
    twice = pd.concat([gene_table, gene_table.iloc[[0]].assign(entrez_id="7", synonyms="")])
    third = gene_table.iloc[[3]].assign(entrez_id="8", symbol="EEE", synonyms="AAA", ensembl_id="")
    assert matches(GeneTable.from_tables([twice, third]), "AAA") == [["", "ambiguous"]]


def test_ids_are_text_and_keep_their_zeros(gene_table):
    assert matches(GeneTable.from_tables([gene_table]), "02", "2.0", " 2") == [
        ["", "unmatched"],
        ["", "unmatched"],
        ["2", "entrez_id"],
    ]


def test_low_overlap_stops_with_counts_and_examples(gene_table):
    table = GeneTable.from_tables([gene_table])
    mapping = table.map(["AAA", "Cd14", "Lyz2"])
    with pytest.raises(InputError, match=r"Only 1 of 3 .*Cd14.*one-to-one orthologs"):
        check_mapping(mapping, table, "mouse.h5ad", 0.5)
    counts = check_mapping(mapping, table, "mouse.h5ad", 0.3)
    assert (counts["n_symbol"], counts["n_unmatched"], counts["n_landmarks"]) == (1, 2, 1)


@pytest.mark.parametrize("first", [0, 1])
def test_row_numbers_are_not_taken_for_entrez_ids(gene_table, first):
    table = GeneTable.from_tables([gene_table])
    with pytest.raises(InputError, match="row numbers"):
        check_mapping(table.map([str(first + n) for n in range(4)]), table, "cells.h5ad", 0)
    check_mapping(table.map(["1", "2", "4"]), table, "cells.h5ad", 0)


@pytest.mark.parametrize(("n_rows", "n_kept"), [(36_601, 15_000), (36_601, 1000), (1000, 978), (20_000, 500)])
def test_row_numbers_with_gaps_are_not_taken_for_entrez_ids(n_rows, n_kept):
    """Real Entrez ids are dense where they are small: three numbers of four below 10,000 are genes."""
    rng = np.random.default_rng(0)
    known = sorted({*rng.choice(10_000, 7_500, replace=False), *rng.choice(100_000, 20_000, replace=False)} - {0})
    table = GeneTable.from_tables([pd.DataFrame({
        "entrez_id": list(map(str, known)), "symbol": "", "ensembl_id": "", "synonyms": "", "feature_space": "other",
    })])  # fmt: skip
    rows = np.sort(rng.choice(n_rows, n_kept, replace=False))
    with pytest.raises(InputError, match="row numbers"):
        check_mapping(table.map(map(str, rows)), table, "cells.h5ad", 0)
    rows[::40] = rows[::40][::-1]  # mostly in order
    with pytest.raises(InputError, match="row numbers"):
        check_mapping(table.map(map(str, rows)), table, "cells.h5ad", 0)
    # the first genes of a table by Entrez id are dense as well, but all of them are genes
    check_mapping(table.map(map(str, known[:1000])), table, "cells.h5ad", 0)


@pytest.mark.real
def test_real_entrez_ids_in_order_are_not_taken_for_row_numbers(real_data):
    lincs = pd.read_csv(real_data / "genes" / "lincs_gene_info_12328.tsv", sep="\t", dtype=str, keep_default_na=False)
    table = GeneTable.from_tables([harmonise_gene_table(lincs, "lincs.tsv")])
    everything = pd.read_csv(real_data / "genes" / "human_gene_map.tsv.gz", sep="\t", dtype=str, keep_default_na=False)
    for ids in (lincs["entrez_id"], lincs.loc[lincs["is_landmark"] == "1", "entrez_id"], everything["entrez_id"]):
        check_mapping(table.map(sorted(ids, key=int)), table, "cells.h5ad", 0)
    rng = np.random.default_rng(0)
    for n in (200, 500, 1000, 5000):
        for _ in range(20):
            some = sorted(rng.choice(everything["entrez_id"], n, replace=False), key=int)
            check_mapping(table.map([*lincs["entrez_id"].head(2), *some]), table, "cells.h5ad", 0)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"pr_gene_id": ["780"], "pr_gene_symbol": ["DDR1"], "pr_is_lm": ["0"], "pr_is_bing": ["1"]}, "best inferred"),
        ({"gene_id": ["780"], "gene_symbol": ["DDR1"], "feature_space": ["landmark"]}, "landmark"),
        (
            {"GeneID": ["780"], "Symbol": ["DDR1"], "Synonyms": ["-"], "dbXrefs": ["MIM:1|Ensembl:ENSG00000204580"]},
            "other",
        ),
        (
            {
                "entrez_id": ["780", ""],
                "symbol": ["DDR1", "lost"],
                "alias_symbol": ["CAK", ""],
                "ensembl_gene_id": ["E", ""],
            },
            "other",
        ),
    ],
)
def test_layouts_of_gene_tables(columns, expected):
    table = harmonise_gene_table(pd.DataFrame(columns), "genes.tsv")
    assert table[["entrez_id", "symbol", "feature_space"]].values.tolist() == [["780", "DDR1", expected]]


def test_a_table_that_is_none_names_the_column():
    with pytest.raises(InputError, match=r"x\.tsv, column 'entrez_id'.*None of the columns"):
        harmonise_gene_table(pd.DataFrame({"gene": ["a"], "symbol": ["b"]}), "x.tsv")


def test_entrez_ids_that_became_numbers():
    columns = {"entrez_id": ["900001.0", "2", ""], "symbol": ["A", "B", "C"]}
    assert harmonise_gene_table(pd.DataFrame(columns), "x.tsv")["entrez_id"].tolist() == ["900001", "2"]


@pytest.mark.parametrize(
    ("ids", "example"),
    [(["", "9e5", "1.5"], "such as '9e5'"), (["", ""], "empty"), (["ENSG1"], "such as 'ENSG1'"), ([], "")],
)
def test_a_table_without_entrez_ids_is_refused(ids, example):
    table = pd.DataFrame({"entrez_id": ids, "symbol": ["A"] * len(ids)}, dtype=object)
    with pytest.raises(InputError, match=rf"x\.tsv, column 'entrez_id': No row has an Entrez id.*{example}"):
        harmonise_gene_table(table, "x.tsv")


def test_former_symbols_of_hgnc_and_versions_of_ensembl_are_found():
    hgnc = pd.DataFrame({
        "entrez_id": ["3627", "5720", "9"], "symbol": ["CXCL10", "PSME1", "NAT1"],
        "alias_symbol": ["IP10| IP10", "", "AAC1"], "prev_symbol": ["SCYB10|INP10", "PA28", ""],
        "ensembl_gene_id": ["ENSG00000169245.6", "ENSG00000092010", "ENSG00000171428.15_PAR_Y| ENSG00000171428.2"],
    })  # fmt: skip
    table = GeneTable.from_tables([harmonise_gene_table(hgnc, "hgnc.txt")])
    found = ["IP10", "SCYB10", "PA28", "AAC1", "ENSG00000169245", "ENSG00000092010.3", "ENSG00000171428.1"]
    assert table.map(found)["gene_key"].tolist() == ["3627", "3627", "5720", "9", "3627", "5720", "9"]
    assert table.map(["ip10", ""])["matched_by"].tolist() == ["unmatched", "unmatched"]


def test_duplicated_rows_keep_the_best_match(gene_table):
    mapping = GeneTable.from_tables([gene_table]).map(["OLD1", "ENSG02", "BBB", "1", "lost"])
    kept = choose_rows(mapping)
    assert kept["gene"].tolist() == ["ENSG02", "1"] and kept.index.tolist() == [1, 3]
