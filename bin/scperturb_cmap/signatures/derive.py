"""From cells to a signature set: pseudobulk per population and donor, design, contrast, gene keys."""

import logging
from dataclasses import dataclass

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set
from scperturb_cmap.signatures.design import Design, choose_design
from scperturb_cmap.signatures.differential import wald_contrast

__all__ = ["ALL_CELLS", "RESERVED", "Derived", "derive_signatures", "sample_codes", "varying_covariates"]

log = logging.getLogger(__name__)

#: The control population that shows what averaging over every cell, as bulk tissue does, would have seen.
ALL_CELLS = "all cells"

#: Columns that samples have of their own; a covariate must have another name.
RESERVED = ("population", "donor", "arm", "condition", "n_cells", "n_counts", "used", "reason", "dataset")


@dataclass(frozen=True)
class Derived:
    """What one data set gives: the signature set and the samples behind it (see docs/output.md)."""

    signatures: ad.AnnData
    samples: pd.DataFrame


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
    samples = pd.concat([keys.size().rename("n_cells"), keys[_covariates(cells)].first()], axis=1).reset_index()
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
    counts = cells[inside].groupby(["donor", "condition"])[_covariates(cells)].nunique(dropna=False)
    return [name for name in counts if (counts[name] > 1).any()]


def _covariates(table: pd.DataFrame) -> list[str]:
    return [column for column in table if column not in RESERVED]


def derive_signatures(
    counts: np.ndarray, samples: pd.DataFrame, mapping: pd.DataFrame, table: GeneTable, *, dataset: str, case: str,
    control: str, populations: list[str] | None = None, min_cells: int = 10, min_donors: int = 2, min_counts: int = 10,
    threads: int = 1,
) -> Derived:  # fmt: skip
    """Derive one disease signature per population, and one of all cells together.

    Parameters
    ----------
    counts
        Sums of raw counts, shape (n_samples, n_genes).
    samples
        One row per sample, as :func:`sample_codes` gives them.
    mapping
        Gene key of every column of ``counts`` (:meth:`GeneTable.map`). Counts of one key are added up; genes without a
        key stay in the model, where they help to estimate size factors and dispersions, but not in the signature.
    table
        The run's gene table.
    dataset, case, control
        Names for ``obs``.
    populations
        Which populations to derive; all by default. "all cells" always counts every population.
    min_cells, min_donors
        See :func:`~scperturb_cmap.signatures.design.choose_design`.
    min_counts
        See :func:`~scperturb_cmap.signatures.differential.wald_contrast`.
    threads
        Processes for the fit.

    Returns
    -------
    Signature set (effect ``wald_z``, layers log_fc, p_value, fdr; skipped populations are rows of NaN with a reason) and
    the table of samples with ``used`` and ``reason``.
    """
    keys = mapping["gene_key"].where(mapping["gene_key"] != "", "unmatched:" + mapping["gene"]).to_numpy()
    by_key = pd.DataFrame(counts, columns=keys).T.groupby(level=0, sort=False).sum().T
    genes = [key for key in by_key.columns if not key.startswith("unmatched:")]

    covariates = _covariates(samples)
    by_donor = samples.groupby(["donor", "arm", "condition"], sort=True)
    average = pd.concat([by_donor["n_cells"].sum(), by_donor[covariates].first()], axis=1).reset_index()
    average_counts = by_key.groupby([samples["donor"], samples["arm"]], sort=True).sum()
    names = sorted(set(samples["population"]) - {""}) if populations is None else populations
    contrasts = {name: (samples[samples["population"] == name], by_key) for name in names}
    contrasts[ALL_CELLS] = (
        average.assign(population=ALL_CELLS),
        average_counts.loc[pd.MultiIndex.from_frame(average[["donor", "arm"]])].reset_index(drop=True),
    )

    rows, tables, all_samples = [], [], []
    for number, (name, (mine, pool)) in enumerate(contrasts.items(), start=1):
        mine = mine.assign(n_counts=pool.loc[mine.index].sum(axis=1).astype(int))
        design = choose_design(mine, min_cells, min_donors, covariates)
        if not design.reason:
            log.info(
                "%s: population %d of %d, %s: %s, %d samples",
                dataset,
                number,
                len(contrasts),
                name,
                design.kind,
                len(design.used),
            )
            result = wald_contrast(pool, design, min_counts, threads).loc[genes]
            if result["wald_z"].isna().all():
                design = Design(design.samples.assign(used="no", reason="population skipped"), reason=(
                    f"Fewer than 10 genes have at least {min_counts} counts over the donors: too shallow for a signature."
                ))  # fmt: skip
        if design.reason:
            log.warning("%s: %s is skipped. %s", dataset, name, design.reason)
            result = pd.DataFrame(np.nan, index=genes, columns=["log_fc", "wald_z", "p_value", "fdr"])
        rows.append(_describe(design, dataset=dataset, population=name, case=case, control=control))
        tables.append(result)
        all_samples.append(design.samples)

    layers = {name: np.stack([table[name] for table in tables]) for name in ("wald_z", "log_fc", "p_value", "fdr")}
    obs = pd.DataFrame(rows, columns=list(POPULATION_COLUMNS))
    obs.index = obs["dataset"] + "|" + obs["population"]
    signatures = signature_set(layers.pop("wald_z"), obs, table.genes.loc[genes], "wald_z", layers)
    design_table = pd.concat(all_samples, ignore_index=True).assign(dataset=dataset)
    design_table["covariates"] = [
        "; ".join(f"{name}={row[name]}" for name in covariates) for row in design_table.to_dict("records")
    ]
    columns = [
        "dataset",
        "population",
        "donor",
        "arm",
        "condition",
        "covariates",
        "n_cells",
        "n_counts",
        "used",
        "reason",
    ]
    return Derived(signatures, design_table[columns])


def _describe(design: Design, **names: str) -> dict:
    """The obs row of one population."""
    arms = {arm: design.used[design.used["arm"] == arm] for arm in ("case", "control")}
    return (
        names
        | {f"n_donors_{arm}": len(part) for arm, part in arms.items()}
        | {f"n_cells_{arm}": int(part["n_cells"].sum()) for arm, part in arms.items()}
        | {"design": design.kind, "covariates": "; ".join(design.covariates), "evidence": design.evidence}
        | {"status": "skipped" if design.reason else "ok", "reason": design.reason}
    )
