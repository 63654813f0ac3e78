"""Gene identifiers: one table per run, one key (the Entrez id as text), and every mapping counted."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["FEATURE_SPACES", "MATCHED", "GeneTable", "check_mapping", "check_symbols", "harmonise_gene_table"]

log = logging.getLogger(__name__)

#: L1000's feature spaces, measured genes first; "other" is everything outside LINCS.
FEATURE_SPACES = ("landmark", "best inferred", "inferred", "other")

#: Ways in which an identifier finds its gene, the most trustworthy first.
MATCHED = ("entrez_id", "ensembl_id", "symbol", "current_symbol", "synonym", "ortholog")

#: Column names of the layouts that are recognised: ours, LINCS geneinfo (both generations), NCBI gene_info, HGNC.
_ALIASES = {
    "entrez_id": ("entrez_id", "pr_gene_id", "gene_id", "GeneID"),
    "symbol": ("symbol", "gene_symbol", "pr_gene_symbol", "Symbol"),
    "ensembl_id": ("ensembl_id", "ensembl_ids", "ensembl_gene_id"),
    "synonyms": ("synonyms", "Synonyms", "alias_symbol"),
    "feature_space": ("feature_space", "lincs_feature_space"),
}


def harmonise_gene_table(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Bring one gene table into this project's columns.

    Parameters
    ----------
    table
        Table of text in a recognised layout: entrez_id, symbol, ensembl_id, synonyms, feature_space; LINCS geneinfo;
        NCBI gene_info; HGNC complete set.
    name
        What to call the file in messages.

    Returns
    -------
    Columns entrez_id, symbol, ensembl_id, synonyms (the last two separated by ``|``) and feature_space, all text.

    Raises
    ------
    InputError
        No column for the Entrez id or the symbol, or no Entrez id in any row.

    Examples
    --------
    >>> lincs = pd.DataFrame({"pr_gene_id": ["780"], "pr_gene_symbol": ["DDR1"], "pr_is_lm": ["1"]})
    >>> harmonise_gene_table(lincs, "geneinfo.txt").iloc[0].tolist()
    ['780', 'DDR1', '', '', 'landmark']
    """
    out = pick_columns(
        table,
        _ALIASES,
        ["entrez_id", "symbol"],
        name,
        "Give a gene table with entrez_id and symbol, LINCS geneinfo, NCBI gene_info or the HGNC complete set.",
    )
    if "dbXrefs" in table:  # NCBI keeps the Ensembl id among cross-references
        out["ensembl_id"] = table["dbXrefs"].map(lambda refs: "|".join(re.findall(r"Ensembl:(ENS[A-Z]*G\d+)", refs)))
    if "pr_is_lm" in table:  # GSE92742 marks landmarks and best inferred genes by flags
        out["feature_space"] = "inferred"
        if "pr_is_bing" in table:
            out.loc[table["pr_is_bing"] == "1", "feature_space"] = "best inferred"
        out.loc[table["pr_is_lm"] == "1", "feature_space"] = "landmark"
    out["synonyms"] = out["synonyms"].replace("-", "")
    if "prev_symbol" in table:  # HGNC keeps former symbols apart; files of that time still use them
        out["synonyms"] = (out["synonyms"] + "|" + table["prev_symbol"]).str.strip("|")
    out.loc[~out["feature_space"].isin(FEATURE_SPACES), "feature_space"] = "other"
    given = out["entrez_id"]
    out["entrez_id"] = given.str.replace(r"\.0+$", "", regex=True)  # a spreadsheet or pandas made numbers of the ids
    usable = out["entrez_id"].str.fullmatch(r"\d+")
    if not usable.any():
        example = next((f"such as {value!r}" for value in given if value), "the column is empty")
        raise InputError(
            Problem(
                name,
                "column 'entrez_id'",
                f"No row has an Entrez id, a whole number ({example}).",
                "Give a gene table with the Entrez id of every gene.",
            )
        )
    return out[usable].drop_duplicates("entrez_id")


@dataclass(frozen=True)
class GeneTable:
    """The genes of a run and the ways to find them.

    Parameters
    ----------
    genes
        One row per gene: index entrez_id (text), columns symbol, feature_space.
    lookup
        For each way of :data:`MATCHED`, a dictionary from identifier to Entrez id; ``""`` marks an ambiguous one.

    Examples
    --------
    >>> table = GeneTable.from_tables([pd.DataFrame({
    ...     "entrez_id": ["6348", "3627"], "symbol": ["CCL3", "CXCL10"], "ensembl_id": ["ENSG00000277632", ""],
    ...     "synonyms": ["MIP1A|LD78", "IP10"], "feature_space": ["landmark", "other"]})])
    >>> table.map(["CXCL10", "ENSG00000277632.1", "IP10", "IP-10"])
                    gene gene_key  matched_by
    0             CXCL10     3627      symbol
    1  ENSG00000277632.1     6348  ensembl_id
    2               IP10     3627     synonym
    3              IP-10            unmatched
    """

    genes: pd.DataFrame
    lookup: dict[str, dict[str, str]]

    @classmethod
    def from_tables(cls, tables: Sequence[pd.DataFrame]) -> "GeneTable":
        """Combine harmonised tables; the first is authoritative, later ones add genes, current symbols and synonyms.

        A LINCS geneinfo table followed by a current one gives the order of matching of docs/methods.md: exact id,
        LINCS symbol, current symbol, unambiguous synonym.
        """
        first, rest = tables[0], list(tables[1:])
        genes = pd.concat(tables).drop_duplicates("entrez_id").set_index("entrez_id")[["symbol", "feature_space"]]
        later = pd.concat(rest) if rest else first.iloc[:0]
        lookup = {
            "entrez_id": {key: key for key in genes.index},
            "ensembl_id": _unambiguous(pd.concat(tables), "ensembl_id"),
            "symbol": _unambiguous(first, "symbol"),
            "current_symbol": _unambiguous(later, "symbol"),
            "synonym": _unambiguous(pd.concat(tables), "synonyms"),
        }
        return cls(genes, lookup)

    def map(self, ids: Iterable[str]) -> pd.DataFrame:
        """Find the gene key of every identifier; identifiers are compared as text, Ensembl versions are cut.

        Returns
        -------
        One row per identifier, in order: gene (as given), gene_key (``""`` without a match) and matched_by (a member
        of :data:`MATCHED`, "ambiguous" or "unmatched").
        """
        rows = [(str(name), *self._find(str(name).strip())) for name in ids]
        return pd.DataFrame(rows, columns=["gene", "gene_key", "matched_by"])

    def _find(self, name: str) -> tuple[str, str]:
        if name.startswith("ENS"):
            name = name.split(".")[0]
        for how in MATCHED:
            key = self.lookup.get(how, {}).get(name)
            if key is not None:  # an ambiguous symbol is not looked up again as a synonym of some third gene
                return (key, how) if key else ("", "ambiguous")
        return "", "unmatched"


def check_mapping(mapping: pd.DataFrame, table: GeneTable, name: str, min_overlap: float) -> dict[str, int]:
    """Count a mapping and stop where too few genes were found.

    Parameters
    ----------
    mapping
        Result of :meth:`GeneTable.map`.
    table
        The run's gene table.
    name
        What to call the file in messages.
    min_overlap
        Smallest fraction of the identifiers that must be matched, 0 to 1.

    Returns
    -------
    Counts: n_genes, n_<way> for every way of matching, n_duplicated (keys met again), n_landmarks.

    Raises
    ------
    InputError
        Fewer than ``min_overlap`` of the identifiers are matched, or they are row numbers.
    """
    if _are_row_numbers(mapping):
        raise InputError(
            Problem(
                name,
                "gene ids",
                f"They are row numbers ({mapping['gene'].iloc[0]}, {mapping['gene'].iloc[1]}, ...), not genes.",
                "Give the file its gene names; they were probably lost when it was written.",
            )
        )
    how = mapping["matched_by"].value_counts()
    keys = mapping.loc[mapping["gene_key"] != "", "gene_key"]
    landmarks = table.genes.index[table.genes["feature_space"] == "landmark"]
    counts = {"n_genes": len(mapping)} | {
        f"n_{way}": int(how.get(way, 0)) for way in (*MATCHED, "ambiguous", "unmatched")
    }
    counts |= {"n_duplicated": int(keys.duplicated().sum()), "n_landmarks": int(landmarks.isin(keys).sum())}
    log.info(
        "%s: %d of %d genes matched, %d ambiguous, %d unmatched, %d duplicated; %d of %d landmarks covered",
        name,
        len(keys),
        len(mapping),
        counts["n_ambiguous"],
        counts["n_unmatched"],
        counts["n_duplicated"],
        counts["n_landmarks"],
        len(landmarks),
    )
    if len(keys) < min_overlap * max(len(mapping), 1) or keys.empty:
        example = ", ".join(mapping.loc[mapping["gene_key"] == "", "gene"].head(3))
        raise InputError(
            Problem(
                name,
                "gene ids",
                f"Only {len(keys)} of {len(mapping)} are found in the gene table (not found: {example}, ...); "
                f"--min_gene_overlap asks for {min_overlap:.0%}.",
                "Give human Entrez ids, Ensembl ids or symbols, or a gene table (--genes) that has these ids. For another "
                "species, name it in the column 'organism' and give a table of one-to-one orthologs (--orthologs).",
            )
        )
    return counts


def check_symbols(mapping: pd.DataFrame, symbols: Sequence[str], table: GeneTable, name: str) -> None:
    """Refuse a file whose gene ids do not belong to the symbols it gives beside them, as after one of them was sorted.

    Parameters
    ----------
    mapping
        Result of :meth:`GeneTable.map` for the file's ids.
    symbols
        The file's own symbols, same order, ``""`` = none.
    table, name
        As for :func:`check_mapping`.

    Raises
    ------
    InputError
        Of the genes that both find, at least 10, more than a fifth are different ones.
    """
    by_symbol = table.map(list(symbols))["gene_key"].to_numpy()
    by_id = mapping["gene_key"].to_numpy()
    both = (by_id != "") & (by_symbol != "")
    wrong = both & (by_id != by_symbol)
    if both.sum() >= 10 and wrong.sum() > 0.2 * both.sum():
        first = int(wrong.argmax())
        raise InputError(
            Problem(
                name,
                "gene ids",
                f"{wrong.sum()} of {both.sum()} do not belong to the symbol beside them "
                f"(such as {mapping['gene'].iloc[first]} and {symbols[first]!r}): ids or symbols were shuffled.",
                "Write the file again with ids and symbols in the same order.",
            )
        )


def _are_row_numbers(mapping: pd.DataFrame) -> bool:
    """Whether identifiers are row numbers: many of those are Entrez ids too, and every gene would be a wrong one.

    They are where they count up from 0 or 1. After a filter they have gaps; then they are 200 or more numbers that go up
    and stay below 50 times their count: 1,000 genes kept of 36,601 reach 37 times. Real lists in order of the Entrez
    id reach further: the L1000 landmarks 400 times, and of 21,000 panels of 20 to 800 drug targets drawn at random all
    reached 106 times and more. Lists of the first genes of a table by Entrez id do not; but those are all known to
    the gene table, and of the numbers below 40,000 only a third is.
    """
    numbers = pd.to_numeric(mapping["gene"], errors="coerce")
    steps = numbers.diff().iloc[1:]
    if len(numbers) > 1 and numbers.iloc[0] in (0, 1) and (steps == 1).all():
        return True
    whole = numbers[numbers.notna() & (numbers % 1 == 0)]
    return bool(
        len(whole) >= 200
        and len(whole) >= 0.95 * len(numbers)
        and (whole.diff().iloc[1:] > 0).mean() >= 0.95
        and whole.max() < 50 * len(whole)
        and (mapping["matched_by"] == "entrez_id").mean() < 0.95
    )


def _unambiguous(table: pd.DataFrame, column: str) -> dict[str, str]:
    """Identifier -> Entrez id; an identifier of several genes maps to the empty string."""
    pairs = table[["entrez_id", column]].assign(**{column: table[column].str.split("|")}).explode(column)
    pairs[column] = pairs[column].fillna("").str.strip().str.replace(r"^(ENS[^.]*)\..*", r"\1", regex=True)
    pairs = pairs[pairs[column] != ""].drop_duplicates()
    found = pd.Series(pairs["entrez_id"].to_numpy(), index=pairs[column])
    found[found.index.duplicated(keep=False)] = ""
    return found.to_dict()
