"""What is known of the populations of a run: drugs that treat the disease, and drugs that kill its cells."""

from collections.abc import Iterator, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import compound_key
from scperturb_cmap.validation.disease import Agreement, Recovery, indication_recovery, sensitivity_agreement
from scperturb_cmap.validation.matrices import score_matrices
from scperturb_cmap.validation.spaces import strength_of

__all__ = ["compare_sensitivities", "indicated_compounds", "measured_compounds", "recover_indications"]

#: Our columns and the names they may have.
_COMPOUNDS = {"dataset": ("dataset", "disease"), "compound": ("compound", "pert_iname", "drug")}


def indicated_compounds(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Bring a table of indications into the columns dataset and compound_id, each pair once.

    Parameters
    ----------
    table
        Table of text: dataset (or disease, called as the data set is), and compound (or pert_iname, drug).
    name
        What to call it in messages.

    Raises
    ------
    InputError
        A column is missing.

    Examples
    --------
    >>> indicated_compounds(pd.DataFrame({"disease": ["lupus"], "drug": ["Drug A"]}), "x.tsv").to_dict("records")
    [{'dataset': 'lupus', 'compound_id': 'drug-a'}]
    """
    return _compounds(table, _COMPOUNDS, name)[["dataset", "compound_id"]].drop_duplicates(ignore_index=True)


def measured_compounds(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Bring a table of drug sensitivities into the columns dataset, compound_id and sensitivity, each pair once.

    Parameters
    ----------
    table
        As for :func:`indicated_compounds`, with a column sensitivity: a number that is lower the more cells a drug kills, as
        an AUC or a log IC50. Of several numbers for a pair (cell lines of the disease) the median is taken; empty ones are
        left out.
    name
        What to call it in messages.

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
    found = _compounds(table, _COMPOUNDS | {"sensitivity": ("sensitivity",)}, name)
    text = found["sensitivity"].astype(str).str.strip()
    found = found.assign(sensitivity=pd.to_numeric(text, errors="coerce"))
    wrong = text[(text != "") & ~np.isfinite(found["sensitivity"])]
    if len(wrong):
        remedy = "Write an AUC or a log IC50, lower where a drug kills more, or leave the field empty."
        raise InputError(Problem(name, "column 'sensitivity'", f"{wrong.iloc[0]!r} is no number.", remedy))
    found = found.dropna(subset="sensitivity")
    return found.groupby(["dataset", "compound_id"], sort=False)["sensitivity"].median().reset_index()


def _compounds(table: pd.DataFrame, columns: dict[str, tuple[str, ...]], name: str) -> pd.DataFrame:
    """Rows that name a data set and a compound, and its identity."""
    remedy = "Give a table with a column of data sets (or diseases, called as these are) and one of compounds."
    if "sensitivity" in columns:
        remedy = f"{remedy[:-1]}, and one of sensitivities."
    found = pick_columns(table, columns, list(columns), name, remedy)
    found["dataset"] = found["dataset"].astype(str).str.strip()
    found["compound_id"] = found["compound"].astype(str).map(compound_key)
    return found[(found[["dataset", "compound_id"]] != "").all(axis=1)]


def _is_of(known: pd.DataFrame, dataset: str) -> pd.Series:
    return known["dataset"].str.casefold() == dataset.casefold()


def _drug_scores(
    populations: Sequence[ad.AnnData],
    searched: ad.AnnData | None,
    known: pd.DataFrame | None,
    method: str,
    options: dict,
) -> Iterator[tuple[str, str, pd.Series]]:
    """Data set, population, and score of every drug: the mean over its signatures; of data sets that something is known of."""
    for one in populations if known is not None and searched is not None else []:
        dataset = str(one.obs["dataset"].iloc[0])
        if not _is_of(known, dataset).any():
            continue
        usable = one[(one.obs["status"] != "skipped").to_numpy()].copy()
        scores = score_matrices(usable, searched, [method], **options)[method]
        for population, row in zip(usable.obs["population"], scores, strict=True):
            yield dataset, str(population), _by_drug(row, searched)


def _by_drug(values: np.ndarray, searched: ad.AnnData) -> pd.Series:
    return pd.Series(values).groupby(searched.obs["name_id"].to_numpy(str)).mean()


def _table(rows: list[tuple], result: type[Recovery | Agreement]) -> pd.DataFrame:
    """What was found for each population, as it is published."""
    table = pd.DataFrame(rows, columns=["dataset", "population", "method", *result._fields])
    return table.rename(columns={"n": "n_drugs"})


def recover_indications(
    populations: Sequence[ad.AnnData], searched: ad.AnnData | None, indications: pd.DataFrame | None, method: str, *,
    seed: int, **options: object,
) -> pd.DataFrame:  # fmt: skip
    """Whether drugs that treat a disease reverse its populations, beside the null.

    Parameters
    ----------
    populations
        Signature sets.
    searched
        Chosen signatures of the reference; ``obs["name_id"]`` is the compound as tables of drugs know it.
    indications
        Of :func:`indicated_compounds`; None gives an empty table.
    method
        A classic score; a drug's is the mean over its signatures.
    seed, options
        As in :func:`~scperturb_cmap.validation.conclude.headline_of_run`.
    """
    rows = []
    for dataset, population, by_drug in _drug_scores(populations, searched, indications, method, options):
        mine = _is_of(indications, dataset)
        degree = indications.loc[~mine, "compound_id"].value_counts()
        found = indication_recovery(by_drug, set(indications.loc[mine, "compound_id"]), degree, seed=seed)
        rows.append((dataset, population, method, *found))
    return _table(rows, Recovery)


def compare_sensitivities(
    populations: Sequence[ad.AnnData], searched: ad.AnnData | None, sensitivities: pd.DataFrame | None, method: str, *,
    seed: int, **options: object,
) -> pd.DataFrame:  # fmt: skip
    """Whether drugs that reverse a population more kill more of its cells, beside what the strength of a drug alone tells.

    Parameters
    ----------
    populations, searched, method, seed, options
        As in :func:`recover_indications`.
    sensitivities
        Of :func:`measured_compounds`; None gives an empty table.

    Returns
    -------
    Two rows per population: the method, and the control that ranks strong drugs first, whatever the population.
    """
    rows = []
    for dataset, population, by_drug in _drug_scores(populations, searched, sensitivities, method, options):
        known = sensitivities[_is_of(sensitivities, dataset)].groupby("compound_id")["sensitivity"].median()
        for name, scores in ((method, by_drug), ("control: strength only", -_by_drug(strength_of(searched), searched))):
            rows.append((dataset, population, name, *sensitivity_agreement(scores, known, seed=seed)))
    return _table(rows, Agreement)
