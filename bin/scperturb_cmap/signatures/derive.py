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

__all__ = ["ALL_CELLS", "Derived", "derive_signatures", "sample_codes"]

log = logging.getLogger(__name__)

#: The control population that shows what averaging over every cell, as bulk tissue does, would have seen.
ALL_CELLS = "all cells"


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
        One row per cell, text columns population, condition, donor (``""`` = missing).
    case, control
        The two conditions compared; cells of other conditions and cells without a donor belong to no sample.

    Returns
    -------
    codes
        Sample of every cell, -1 for none; shape (n_cells,).
    samples
        One row per sample: population, donor, arm, condition, n_cells.

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
    samples = keys.size().rename("n_cells").reset_index()
    return codes, samples


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

    average = samples.groupby(["donor", "arm", "condition"], sort=True)["n_cells"].sum().reset_index()
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
        design = choose_design(mine, min_cells, min_donors)
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
    columns = ["dataset", "population", "donor", "arm", "condition", "n_cells", "n_counts", "used", "reason"]
    return Derived(signatures, pd.concat(all_samples, ignore_index=True).assign(dataset=dataset)[columns])


def _describe(design: Design, **names: str) -> dict:
    """The obs row of one population."""
    arms = {arm: design.used[design.used["arm"] == arm] for arm in ("case", "control")}
    return (
        names
        | {f"n_donors_{arm}": len(part) for arm, part in arms.items()}
        | {f"n_cells_{arm}": int(part["n_cells"].sum()) for arm, part in arms.items()}
        | {"design": design.kind, "evidence": design.evidence}
        | {"status": "skipped" if design.reason else "ok", "reason": design.reason}
    )
