"""Tables of what drugs are known to do: which treat a disease, and how many of its cells each leaves alive."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem, some
from scperturb_cmap.utils.names import compound_ids

__all__ = ["indicated_compounds", "is_of", "measured_compounds", "require_datasets"]

#: Our columns and the names they may have.
_COMPOUNDS = {"dataset": ("dataset", "disease"), "compound": ("compound", "pert_iname", "drug")}


def indicated_compounds(table: pd.DataFrame, name: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Bring a table of indications into the columns dataset and compound_id, each pair once.

    Parameters
    ----------
    table
        Table of text: dataset (or disease, called as the data set is), and compound (or pert_iname, drug).
    name
        What to call it in messages.
    names
        As for :func:`~scperturb_cmap.ranking.harmonise_annotation`.

    Raises
    ------
    InputError
        A column is missing, or no row names both.

    Examples
    --------
    >>> indicated_compounds(pd.DataFrame({"disease": ["lupus"], "drug": ["Drug A"]}), "x.tsv").to_dict("records")
    [{'dataset': 'lupus', 'compound_id': 'drug-a'}]
    """
    return _compounds(table, _COMPOUNDS, name, names)[["dataset", "compound_id"]].drop_duplicates(ignore_index=True)


def measured_compounds(table: pd.DataFrame, name: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Bring a table of drug sensitivities into the columns dataset, compound_id and sensitivity, each pair once.

    Parameters
    ----------
    table
        As for :func:`indicated_compounds`, with a column sensitivity: a number that is lower the more cells a drug kills, as
        an AUC or a log IC50. Of several numbers for a pair (cell lines of the disease) the median is taken; empty ones are
        left out.
    name
        What to call it in messages.
    names
        As for :func:`~scperturb_cmap.ranking.harmonise_annotation`.

    Raises
    ------
    InputError
        A column is missing, or a sensitivity is no number.

    Examples
    --------
    >>> table = pd.DataFrame({"dataset": "gbm", "compound": ["A", "a", "B"], "sensitivity": ["0.25", "0.75", ""]})
    >>> measured_compounds(table, "x.tsv").to_dict("records")
    [{'dataset': 'gbm', 'compound_id': 'a', 'sensitivity': 0.5}]
    """
    found = _compounds(table, _COMPOUNDS | {"sensitivity": ("sensitivity",)}, name, names)
    text = found["sensitivity"].astype(str).str.strip()
    found = found.assign(sensitivity=pd.to_numeric(text, errors="coerce"))
    wrong = text[(text != "") & ~np.isfinite(found["sensitivity"])]
    if len(wrong):
        remedy = "Write an AUC or a log IC50, lower where a drug kills more, or leave the field empty."
        raise InputError(Problem(name, "column 'sensitivity'", f"{wrong.iloc[0]!r} is no number.", remedy))
    found = found.dropna(subset="sensitivity")
    if found.empty:
        raise InputError(
            Problem(name, "column 'sensitivity'", "No row has a number.", "Fill it in, or leave the table out.")
        )
    return found.groupby(["dataset", "compound_id"], sort=False)["sensitivity"].median().reset_index()


def is_of(known: pd.DataFrame, dataset: str) -> pd.Series:
    """Which rows of such a table are for a data set.

    Examples
    --------
    >>> is_of(pd.DataFrame({"dataset": ["Lupus", "asthma"]}), "lupus").tolist()
    [True, False]
    """
    return known["dataset"].str.casefold() == dataset.casefold()


def require_datasets(known: pd.DataFrame, name: str, datasets: Collection[str]) -> None:
    """Refuse a table of which no row is for a data set of the run, if any is known.

    Raises
    ------
    InputError
        With the data sets of both.

    Examples
    --------
    >>> require_datasets(pd.DataFrame({"dataset": ["Lupus"]}), "known.tsv", ["lupus"])
    """
    if datasets and not any(is_of(known, dataset).any() for dataset in datasets):
        wrong = f"It names no data set of this run ({some(set(datasets))}), but {some(known['dataset'].unique())}."
        raise InputError(Problem(name, "column 'dataset'", wrong, "Call the diseases as the sample sheet does."))


def _compounds(
    table: pd.DataFrame, columns: dict[str, tuple[str, ...]], name: str, names: Mapping[str, str] | None
) -> pd.DataFrame:
    """Rows that name a data set and a compound, and its identity."""
    remedy = "Give a table with a column of data sets (or diseases, called as these are) and one of compounds."
    if "sensitivity" in columns:
        remedy = f"{remedy[:-1]}, and one of sensitivities."
    found = pick_columns(table, columns, list(columns), name, remedy)
    found["dataset"] = found["dataset"].astype(str).str.strip()
    found["compound_id"] = compound_ids(found["compound"].astype(str), names)
    found = found[(found[["dataset", "compound_id"]] != "").all(axis=1)]
    if found.empty:
        raise InputError(Problem(name, "", "No row names both a data set and a compound.", remedy))
    return found
