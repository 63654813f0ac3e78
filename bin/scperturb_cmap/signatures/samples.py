"""Which cells belong together: populations, arms and donors become pseudobulk samples."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scperturb_cmap.utils.names import matches

__all__ = ["RESERVED", "choose_populations", "covariates_of", "sample_codes", "varying_covariates"]

#: Columns that samples have of their own; a covariate must have another name.
RESERVED = (
    "population", "donor", "arm", "condition", "n_cells", "n_counts", "used", "reason", "dataset", "covariates", "pc1", "pc2",
    "pc1_share", "pc2_share",
)  # fmt: skip


def covariates_of(table: pd.DataFrame) -> list[str]:
    """Columns of a table of cells or samples that are covariates.

    Examples
    --------
    >>> covariates_of(pd.DataFrame(columns=["population", "donor", "arm", "sex"]))
    ['sex']
    """
    return [column for column in table if column not in RESERVED]


def choose_populations(cells: pd.DataFrame, case: str, control: str, patterns: Sequence[str] = ()) -> list[str]:
    """Populations to derive: those of cells in either arm, all or the ones selected.

    Parameters
    ----------
    cells
        As for :func:`sample_codes`.
    case, control
        The two conditions compared.
    patterns
        Names, or patterns with ``*``, ``?`` and ``[...]`` (case counts); a name that is there is taken literally.

    Examples
    --------
    >>> cells = pd.DataFrame({"population": ["CD4 T", "CD8 T", "B", "pDC"], "condition": ["ill", "ill", "well", "mild"]})
    >>> choose_populations(cells, "ill", "well"), choose_populations(cells, "ill", "well", ["CD* T"])
    (['B', 'CD4 T', 'CD8 T'], ['CD4 T', 'CD8 T'])
    """
    there = sorted(set(cells.loc[cells["condition"].isin([case, control]), "population"]) - {""})
    if not patterns:
        return there
    return [name for name in there if any(matches(name, pattern, there) for pattern in patterns)]


def sample_codes(cells: pd.DataFrame, case: str, control: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Group cells into pseudobulk samples: one per population, donor and arm.

    Parameters
    ----------
    cells
        One row per cell, text columns population, condition, donor (``""`` = missing); further columns are covariates.
    case, control
        The two conditions compared; cells of other conditions and cells without a donor belong to no sample.

    Returns
    -------
    codes
        Sample of every cell, -1 for none; shape (n_cells,).
    samples
        One row per sample: population, donor, arm, condition, n_cells, and the covariates (the value of its first cell;
        see :func:`varying_covariates`).

    Examples
    --------
    >>> cells = pd.DataFrame({"population": ["B", "B", "T"], "condition": ["ill", "ill", "mild"], "donor": ["1", "1", "2"]})
    >>> codes, samples = sample_codes(cells, "ill", "healthy")
    >>> codes.tolist(), samples.astype(str).iloc[0].tolist()
    ([0, 0, -1], ['B', '1', 'case', 'ill', '2'])
    """
    arm = cells["condition"].map({case: "case", control: "control"})
    inside = arm.notna() & (cells["donor"] != "")
    keys = cells.assign(arm=arm)[inside].groupby(["population", "donor", "arm", "condition"], sort=True)
    codes = np.full(len(cells), -1)
    codes[inside.to_numpy()] = keys.ngroup()
    samples = pd.concat([keys.size().rename("n_cells"), keys[covariates_of(cells)].first()], axis=1).reset_index()
    return codes, samples


def varying_covariates(cells: pd.DataFrame, case: str, control: str) -> list[str]:
    """Covariates that differ among the cells of one donor and condition, and so describe no pseudobulk sample.

    Examples
    --------
    >>> cells = pd.DataFrame({"population": "B", "condition": "ill", "donor": ["1", "1"], "sex": "f", "lane": ["a", "b"]})
    >>> varying_covariates(cells, "ill", "well")
    ['lane']
    """
    inside = cells["condition"].isin([case, control]) & (cells["donor"] != "")
    counts = cells[inside].groupby(["donor", "condition"])[covariates_of(cells)].nunique(dropna=False)
    return [name for name in counts if (counts[name] > 1).any()]
