"""One identity per compound over names, salts, vendors' ids and structures, and a table of what was merged and why."""

from collections import Counter

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.names import compound_key

__all__ = [
    "COMPOUND_COLUMNS", "add_compound_info", "identify_compounds", "names_of_compounds", "several_structures", "skeletons",
    "unify_compounds",
    "unite_compounds",
]  # fmt: skip

#: Columns of the table of compounds.
COMPOUND_COLUMNS = ("compound_id", "compound", "names", "pert_ids", "inchi_keys", "merged_by", "n_signatures")

#: Columns of a table of compounds (LINCS compoundinfo, GSE92742 pert_info, Repurposing Hub samples).
_ALIASES = {
    "pert_id": ("pert_id", "broad_id"),
    "compound": ("cmap_name", "pert_iname", "compound"),
    "inchi_key": ("inchi_key", "inchikey", "InChIKey"),
}


def add_compound_info(metadata: pd.DataFrame, table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Fill in compound names and InChIKeys from a table of compounds, which may have several rows per compound.

    Parameters
    ----------
    metadata
        As :func:`~scperturb_cmap.reference.metadata.harmonise_metadata` gives it; its own entries stay.
    table
        Table of text: pert_id, and any of a name and an InChIKey. Several rows of a pert_id (one per target, vendor or
        alias) never multiply signatures: the first value counts.
    name
        What to call the file in messages.

    Returns
    -------
    metadata
        The same rows.
    warnings
        How many pert_ids have more than one structure.

    Raises
    ------
    InputError
        No column of compound ids.

    Examples
    --------
    >>> metadata = pd.DataFrame({"compound": ["x", ""], "pert_id": ["BRD-1", "BRD-2"], "inchi_key": ""})
    >>> table = pd.DataFrame({"pert_id": ["BRD-2", "BRD-2"], "cmap_name": ["y", "y"], "target": ["A", "B"]})
    >>> add_compound_info(metadata, table, "compoundinfo.txt")[0]["compound"].tolist()
    ['x', 'y']
    """
    text = pick_columns(table, _ALIASES, ["pert_id"], name, "Give the compoundinfo table of the reference.")
    text = text.assign(pert_id=text["pert_id"].map(_short)).query("pert_id != ''")
    known = text.where(text != "", np.nan).groupby("pert_id").first()
    known_skeletons = skeletons(text["inchi_key"])
    structures = known_skeletons[known_skeletons != ""].groupby(text["pert_id"]).nunique()
    ids = metadata["pert_id"].map(_short)
    filled = {
        column: metadata[column].where(metadata[column] != "", ids.map(known[column]).fillna(""))
        for column in ("compound", "inchi_key")
    }
    several = int((structures > 1).sum())
    return metadata.assign(**filled), [f"{several} compound ids have several structures; the first counts."] * bool(
        several
    )


def identify_compounds(metadata: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """Give one compound_id to all rows that are the same compound.

    Rows are one compound if they share a normalised name (case, spelling, salt), the first block of an InChIKey (same
    skeleton) or a vendor id (BRD-... without its batch). The id is the normalised name most of its signatures have; over
    several references :func:`unify_compounds` decides, and in an annotation any of its names will do
    (:func:`names_of_compounds`).

    Parameters
    ----------
    metadata
        Columns compound, pert_id, inchi_key, text, missing = ``""``.

    Returns
    -------
    compound_id
        One per row; ``""`` where there is neither a name nor an id.
    compounds
        One row per compound, columns :data:`COMPOUND_COLUMNS`: all its names, ids and structures, ``merged_by`` =
        what joined different spellings ("name", "InChIKey", "pert_id", joined by ``|``; "" where there was one).

    Examples
    --------
    >>> metadata = pd.DataFrame({"compound": ["Drug A", "drug-a HCl", "A-17", "b"], "pert_id": ["", "", "BRD-1", "BRD-2"],
    ...                          "inchi_key": ["KKKKKKKKKKKKKK-X-N", "", "KKKKKKKKKKKKKK-Y-N", ""]})
    >>> ids, compounds = identify_compounds(metadata)
    >>> ids.tolist(), compounds["merged_by"].tolist()
    (['drug-a', 'drug-a', 'drug-a', 'b'], ['', 'name|InChIKey'])
    """
    spelled = metadata[["compound", "pert_id", "inchi_key"]].value_counts(sort=False).rename("n").reset_index()
    spelled["short"] = spelled["pert_id"].map(_short)
    keys = spelled["compound"].where(spelled["compound"] != "", spelled["short"]).map(compound_key)
    spelled = spelled.assign(key=keys, block=skeletons(spelled["inchi_key"]))
    spelled = spelled[spelled["key"] != ""]
    # Names, structures and ids are nodes of a graph, and each spelling joins its own: what hangs together is one compound.
    nodes, edges = {}, []
    for row in spelled.itertuples():
        name = nodes.setdefault(("key", row.key), len(nodes))
        for kind in ("block", "short"):
            if mark := getattr(row, kind):
                edges.append((name, nodes.setdefault((kind, mark), len(nodes))))
    ends = np.array(edges, dtype=int).reshape(-1, 2).T
    _, component = connected_components(coo_matrix((np.ones(len(edges)), ends), (len(nodes),) * 2), directed=False)
    groups: dict[int, list] = {}
    for row in spelled.itertuples():
        groups.setdefault(component[nodes["key", row.key]], []).append(row)
    found = [_compound(rows) for rows in groups.values()]
    names = {
        (row.compound, row.pert_id, row.inchi_key): compound["compound_id"]
        for rows, compound in zip(groups.values(), found, strict=True)
        for row in rows
    }
    triples = zip(metadata["compound"], metadata["pert_id"], metadata["inchi_key"], strict=True)
    ids = pd.Series([names.get(triple, "") for triple in triples], metadata.index, dtype=object)
    table = pd.DataFrame(found, columns=list(COMPOUND_COLUMNS)).sort_values("compound_id", ignore_index=True)
    return ids, table


def several_structures(compounds: pd.DataFrame) -> list[str]:
    """A sentence on compounds whose spellings have different structures, if there are any.

    They stay one: a salt has another InChIKey than its base, as have errors and variants in vendors' lists. Whether a name
    was given to two drugs, only a reader can tell.

    Parameters
    ----------
    compounds
        As :func:`identify_compounds` gives them.

    Examples
    --------
    >>> compounds = pd.DataFrame({"compound": ["omeprazole"], "inchi_keys": ["AAAAAAAAAAAAAA-X-N|BBBBBBBBBBBBBB-X-N"]})
    >>> several_structures(compounds)[0][:70]
    '1 compounds have names or ids in common but different structures (such'
    """
    blocks = skeletons(compounds["inchi_keys"].str.split("|").explode())
    n_blocks = blocks[blocks != ""].groupby(level=0).nunique()
    found = compounds.loc[n_blocks.index[n_blocks > 1], "compound"]
    text = "{} compounds have names or ids in common but different structures (such as {}): salts, or drugs of one name. See {}."
    return [text.format(len(found), ", ".join(found[:3]), "inchi_keys in the table of compounds")] * bool(len(found))


def unify_compounds(tables: dict[str, pd.DataFrame]) -> dict[tuple[str, str], str]:
    """One identity per compound over several references.

    Parameters
    ----------
    tables
        Reference -> its table of compounds, as :func:`identify_compounds` gives it.

    Returns
    -------
    (reference, compound_id there) -> identity over all.

    Examples
    --------
    >>> one = pd.DataFrame({"compound_id": ["a"], "compound": ["A"], "inchi_keys": ["KKKKKKKKKKKKKK-X-N"], "pert_ids": [""]})
    >>> other = one.assign(compound_id="a-17", compound="A-17")
    >>> len(set(unify_compounds({"x": one, "y": other}).values()))
    1
    """
    if not tables:
        return {}
    rows = pd.concat([table.assign(reference=name) for name, table in tables.items()], ignore_index=True)
    rows = rows.assign(inchi_key=rows["inchi_keys"].str.split("|"), pert_id=rows["pert_ids"].str.split("|"))
    rows = rows.explode("inchi_key").explode("pert_id", ignore_index=True)
    # names of two references are compared as the ids they were given, which are normalised
    ids, _ = identify_compounds(rows.assign(compound=rows["compound_id"])[["compound", "pert_id", "inchi_key"]])
    return dict(zip(zip(rows["reference"], rows["compound_id"], strict=True), ids, strict=True))


def unite_compounds(scores: pd.DataFrame, identity: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Scores with one compound_id per compound over all references, where each reference had its own.

    Parameters
    ----------
    scores
        Columns reference and compound_id.
    identity
        As :func:`unify_compounds` gives it.

    Examples
    --------
    >>> scores = pd.DataFrame({"reference": ["x", "y"], "compound_id": ["imatinib", "sti-571"]})
    >>> unite_compounds(scores, {("x", "imatinib"): "imatinib", ("y", "sti-571"): "imatinib"})["compound_id"].tolist()
    ['imatinib', 'imatinib']
    """
    other = {pair: one for pair, one in identity.items() if one != pair[1]}
    if not other:
        return scores
    pairs = zip(scores["reference"], scores["compound_id"], strict=True)
    return scores.assign(compound_id=[other.get(pair, pair[1]) for pair in pairs])


def names_of_compounds(tables: dict[str, pd.DataFrame], identity: dict[tuple[str, str], str]) -> dict[str, str]:
    """Under which names the compounds of several references may stand in a table of drugs.

    Parameters
    ----------
    tables
        Reference -> its table of compounds.
    identity
        As :func:`unify_compounds` gives it.

    Returns
    -------
    Normalised name -> identity, of names that are another compound's nowhere.

    Examples
    --------
    >>> row = {"compound_id": "sti-571", "names": "STI-571|imatinib", "inchi_keys": "", "pert_ids": ""}
    >>> tables = {"x": pd.DataFrame([row])}
    >>> names_of_compounds(tables, unify_compounds(tables))
    {'sti-571': 'sti-571', 'imatinib': 'sti-571'}
    """
    found: dict[str, set[str]] = {}
    for reference, table in tables.items():
        told = table["names"] if "names" in table else table["compound_id"]
        for own, names in zip(table["compound_id"], told, strict=True):
            one = identity[reference, own]
            for name in (own, *map(compound_key, names.split("|"))):
                found.setdefault(name, set()).add(one)
    return {name: next(iter(those)) for name, those in found.items() if name and len(those) == 1}


def skeletons(keys: pd.Series) -> pd.Series:
    """First blocks of InChIKeys; "" for whatever is none ("restricted", -666)."""
    return keys.str.extract(r"^(?:InChIKey=)?([A-Z]{14})(?:-|$)", expand=False).fillna("")


def _compound(rows: list) -> dict:
    """The row of one compound, from its spellings."""
    counts, spellings, keys_of, names_of = Counter(), Counter(), {}, {}
    for row in rows:
        counts[row.key] += row.n
        names_of.setdefault(row.key, set()).add(row.compound)
        for kind, mark in (("InChIKey", row.block), ("pert_id", row.short)):
            if mark:
                keys_of.setdefault((kind, mark), set()).add(row.key)
    key = min(counts, key=lambda name: (-counts[name], name))
    for row in rows:
        spellings[row.compound or row.short] += row.n if row.key == key else 0
    joined = {kind for (kind, _), keys in keys_of.items() if len(keys) > 1}
    joined |= {"name"} if any(len(names) > 1 for names in names_of.values()) else set()
    return {
        "compound_id": key,
        "compound": min(spellings, key=lambda name: (-spellings[name], name)),
        "names": "|".join(sorted({row.compound for row in rows} - {""})),
        "pert_ids": "|".join(sorted({row.pert_id for row in rows} - {""})),
        "inchi_keys": "|".join(sorted({row.inchi_key for row in rows} - {""})),
        "merged_by": "|".join(kind for kind in ("name", "InChIKey", "pert_id") if kind in joined),
        "n_signatures": sum(row.n for row in rows),
    }


def _short(pert_id: str) -> str:
    """A Broad id without its salt and batch: BRD-K12345678-001-01-1 -> BRD-K12345678."""
    return pert_id[:13] if pert_id.startswith("BRD-") else pert_id
