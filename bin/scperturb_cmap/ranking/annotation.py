"""What is known about the drugs: mechanism, targets, clinical phase, what they are given for."""

import logging
from collections.abc import Mapping

import pandas as pd

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import compound_ids

__all__ = ["annotate", "annotated_compounds", "harmonise_annotation"]

log = logging.getLogger(__name__)

#: Our columns and their names in the Repurposing Hub (its files and its web export), DrugBank and CLUE exports.
_ALIASES = {
    "compound": ("pert_iname", "compound", "name", "drug", "Name", "Common name"),
    "mechanism": ("moa", "MOA", "mechanism", "mechanism_of_action"),
    "targets": ("target", "targets", "Target", "gene_symbol"),
    "clinical_phase": ("clinical_phase", "phase", "Phase", "groups", "Drug Groups"),
    "indications": ("indication", "indications", "Indication"),
}

#: Between several mechanisms or targets of a compound where there is no "|": the Repurposing Hub's web export has ", ".
_SEPARATORS = r"\s*;\s*|\s*,\s+"


def harmonise_annotation(table: pd.DataFrame, name: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Bring a drug annotation into one row per compound.

    Parameters
    ----------
    table
        Table of text, missing values ``""``: a column of compound names and any of the others.
    name
        What to call the file in messages.
    names
        Further names of the compounds of a run (:func:`~scperturb_cmap.reference.identity.names_of_compounds`).

    Returns
    -------
    Index compound_id; columns mechanism, targets, clinical_phase, indications. Several mechanisms or targets of a compound are
    joined by ``|``, whatever separates them in the table ("|"; or ", " and ";" where a column has none), and so are different
    values of several rows: a join never multiplies drugs.

    Raises
    ------
    InputError
        There is no column of compound names, or none is filled in.

    Examples
    --------
    >>> table = pd.DataFrame({"pert_iname": ["Drug A", "drug-a"], "moa": ["X inhibitor", "Y agonist"]})
    >>> harmonise_annotation(table, "drugs.tsv")["mechanism"].to_dict()
    {'drug-a': 'X inhibitor|Y agonist'}
    >>> export = pd.DataFrame({"Name": ["B"], "MOA": ["X inhibitor, Y agonist"], "Target": ["ABL1, KIT"]})
    >>> harmonise_annotation(export, "export.txt").loc["b", ["mechanism", "targets"]].tolist()
    ['X inhibitor|Y agonist', 'ABL1|KIT']
    """
    text = _named(table, name, names)
    text = text[text["compound_id"] != ""]
    if text.empty:
        raise InputError(Problem(name, "", "No row names a compound.", "Fill in their names, or leave the table out."))
    return text.groupby("compound_id").agg(lambda values: "|".join(dict.fromkeys(value for value in values if value)))


def annotated_compounds(table: pd.DataFrame, name: str, names: Mapping[str, str] | None = None) -> pd.Series:
    """compound_id of every row of a drug annotation, as it was given.

    Examples
    --------
    >>> annotated_compounds(pd.DataFrame({"drug": ["Drug A", "drug-a"]}), "drugs.tsv").tolist()
    ['drug-a', 'drug-a']
    """
    return _named(table, name, names)["compound_id"]


def _named(table: pd.DataFrame, name: str, names: Mapping[str, str] | None) -> pd.DataFrame:
    """Our columns of a drug annotation, with the identity of every row's compound in the place of its name."""
    text = pick_columns(table, _ALIASES, ["compound"], name, "Give a table with a column of compound names.")
    for column in ("mechanism", "targets"):
        if not text[column].str.contains("|", regex=False).any():
            text[column] = text[column].str.strip(" ;,").str.replace(_SEPARATORS, "|", regex=True)
    return text.assign(compound_id=compound_ids(text.pop("compound"), names))


def annotate(drugs: pd.DataFrame, annotation: pd.DataFrame | None) -> pd.DataFrame:
    """Add mechanism, targets, clinical_phase and indications; ``""`` where nothing is known.

    Parameters
    ----------
    drugs
        Any table with a column compound_id.
    annotation
        As :func:`harmonise_annotation` gives it, or None.
    """
    columns = ["mechanism", "targets", "clinical_phase", "indications"]
    if annotation is None:
        return drugs.assign(**dict.fromkeys(columns, ""))
    known = drugs["compound_id"].dropna().drop_duplicates()
    log.info("annotation: %d of %d compounds found", known.isin(annotation.index).sum(), len(known))
    added = annotation.reindex(drugs["compound_id"])[columns].fillna("")
    return drugs.assign(**{column: added[column].to_numpy() for column in columns})
