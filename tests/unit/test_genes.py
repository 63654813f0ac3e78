"""Gene identifiers: order of matching, ambiguity, and the stop at low overlap."""

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


def test_duplicated_rows_keep_the_best_match(gene_table):
    mapping = GeneTable.from_tables([gene_table]).map(["OLD1", "ENSG02", "BBB", "1", "lost"])
    kept = choose_rows(mapping)
    assert kept["gene"].tolist() == ["ENSG02", "1"] and kept.index.tolist() == [1, 3]
