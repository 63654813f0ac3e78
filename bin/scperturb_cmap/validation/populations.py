"""What is known of the populations of a run: drugs that treat the disease, and drugs that kill its cells."""

from collections.abc import Iterator, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.ranking.known_drugs import is_of
from scperturb_cmap.validation.disease import Agreement, Recovery, indication_recovery, sensitivity_agreement
from scperturb_cmap.validation.matrices import score_matrices
from scperturb_cmap.validation.spaces import strength_of

__all__ = ["compare_sensitivities", "recover_indications"]


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
        if not is_of(known, dataset).any():
            continue
        usable = one[(one.obs["status"] != "skipped").to_numpy()].copy()
        scores = score_matrices(usable, searched, [method], **options)[method]
        for population, row in zip(usable.obs["population"], scores, strict=True):
            yield dataset, str(population), _by_drug(row, searched)


def _by_drug(values: np.ndarray, searched: ad.AnnData) -> pd.Series:
    return pd.Series(values).groupby(searched.obs["compound_id"].to_numpy(str)).mean()


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
        Chosen signatures of the reference; ``obs["compound_id"]`` is the compound as tables of drugs know it.
    indications
        Of :func:`~scperturb_cmap.ranking.known_drugs.indicated_compounds`; None gives an empty table.
    method
        A classic score; a drug's is the mean over its signatures.
    seed, options
        As in :func:`~scperturb_cmap.validation.conclude.headline_of_run`.
    """
    rows = []
    for dataset, population, by_drug in _drug_scores(populations, searched, indications, method, options):
        mine = is_of(indications, dataset)
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
        Of :func:`~scperturb_cmap.ranking.known_drugs.measured_compounds`; None gives an empty table.

    Returns
    -------
    Two rows per population: the method, and the control that ranks strong drugs first, whatever the population.
    """
    rows = []
    for dataset, population, by_drug in _drug_scores(populations, searched, sensitivities, method, options):
        known = sensitivities[is_of(sensitivities, dataset)].groupby("compound_id")["sensitivity"].median()
        for name, scores in ((method, by_drug), ("control: strength only", -_by_drug(strength_of(searched), searched))):
            rows.append((dataset, population, name, *sensitivity_agreement(scores, known, seed=seed)))
    return _table(rows, Agreement)
