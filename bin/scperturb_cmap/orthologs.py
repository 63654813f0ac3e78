"""Genes of other species: their human one-to-one orthologs, and no others."""

from collections.abc import Iterable, Mapping

import pandas as pd

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["HUMAN", "harmonise_orthologs", "map_orthologs"]

#: What the sheet's column ``organism`` may say for human data.
HUMAN = ("", "human", "homo sapiens", "h. sapiens", "9606")

#: Columns with the human gene, the most certain first: ours, HCOP, Ensembl BioMart.
_HUMAN = ("human_entrez_id", "human_entrez_gene", "human_ensembl_id", "human_ensembl_gene", "Human gene stable ID", "human_gene",
          "human_symbol", "Human gene name")  # fmt: skip

#: Columns with the other species' gene; besides these, HCOP's <species>_symbol, _ensembl_gene and _entrez_gene.
_OTHER = ("gene", "symbol", "ensembl_id", "entrez_id", "Gene stable ID", "Gene name")
_HCOP = ("_symbol", "_ensembl_gene", "_entrez_gene")

#: BioMart says what kind of homology a row is.
_TYPE, _ONE_TO_ONE = "Human homology type", "ortholog_one2one"


def harmonise_orthologs(table: pd.DataFrame, human: GeneTable, name: str) -> dict[str, str]:
    """Bring an ortholog table into one dictionary.

    Parameters
    ----------
    table
        Table of text, one pair of genes per row: columns gene and human_gene (ids or symbols), a BioMart export, or HCOP.
    human
        The run's gene table; it finds the human side, whatever the kind of its ids.
    name
        What to call the file in messages.

    Returns
    -------
    Identifier of the other species (each of its columns of ids) -> gene key. A gene of either side that stands in pairs
    with several genes of the other is no one-to-one ortholog and is left out.

    Raises
    ------
    InputError
        No column for one of the sides, or no pair is left.

    Examples
    --------
    >>> genes = GeneTable.from_tables([pd.DataFrame({"entrez_id": ["929", "3627", "4282"], "ensembl_id": "", "synonyms": "",
    ...     "symbol": ["CD14", "CXCL10", "MIF"], "feature_space": "other"})])
    >>> pairs = pd.DataFrame({"gene": ["Cd14", "Cxcl10", "Cxcl10b", "Mif"],
    ...     "human_gene": ["CD14", "CXCL10", "CXCL10", "MIF"]})
    >>> harmonise_orthologs(pairs, genes, "mouse.tsv")
    {'Cd14': '929', 'Mif': '4282'}
    """
    theirs = [column for column in _HUMAN if column in table]
    others = [
        c for c in table if c not in _HUMAN and (c in _OTHER or (c.endswith(_HCOP) and not c.startswith("human_")))
    ]
    if not theirs or not others:
        wanted = (
            f"human: {', '.join(_HUMAN)}" if not theirs else f"other species: {', '.join(_OTHER)}, <species>_symbol"
        )
        raise InputError(
            Problem(
                name, "", f"It has no column of the {wanted}.", "Give a table with the columns gene and human_gene."
            )
        )
    if _TYPE in table:
        table = table[table[_TYPE] == _ONE_TO_ONE]
    key, written = pd.Series("", index=table.index), pd.Series("", index=table.index)
    for column in theirs:
        found = human.map(table[column])["gene_key"].set_axis(table.index)
        key = key.where(key != "", found)
        written = written.where(written != "", table[column].str.strip())
    # A partner that the gene table does not know is one all the same.
    partner = key.where(key != "", written)
    pairs: dict[str, str] = {}
    for column in others:
        mine = pd.DataFrame({"gene": table[column].str.strip(), "partner": partner, "key": key})
        mine = mine[(mine["gene"] != "") & (mine["partner"] != "")].drop_duplicates()
        one = ~(mine["gene"].duplicated(keep=False) | mine["partner"].duplicated(keep=False))
        for gene, found in mine.loc[one & (mine["key"] != ""), ["gene", "key"]].itertuples(index=False):
            # The same text may be an id in one column and a symbol in another.
            pairs[gene] = found if pairs.get(gene, found) == found else ""
    pairs = {gene: found for gene, found in pairs.items() if found}
    if not pairs:
        wrong = "It holds no one-to-one pair with a human gene of the gene table."
        raise InputError(
            Problem(name, "", wrong, "Give the ortholog table of this species, with human genes that --genes knows.")
        )
    return pairs


def map_orthologs(ids: Iterable[str], orthologs: Mapping[str, str]) -> pd.DataFrame:
    """Find the human gene key of every identifier of another species; Ensembl versions are cut.

    Returns
    -------
    As :meth:`GeneTable.map`, matched_by "ortholog" or "unmatched".

    Examples
    --------
    >>> map_orthologs(["Cd14", "Xist"], {"Cd14": "929"})
       gene gene_key matched_by
    0  Cd14      929   ortholog
    1  Xist           unmatched
    """
    rows = []
    for name in map(str, ids):
        plain = name.strip()
        key = orthologs.get(plain.split(".")[0] if plain.startswith("ENS") else plain, "")
        rows.append((name, key, "ortholog" if key else "unmatched"))
    return pd.DataFrame(rows, columns=["gene", "gene_key", "matched_by"])
