"""From cells to a signature set: pseudobulk per population and donor, design, contrast, gene keys, resamples."""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set
from scperturb_cmap.signatures.design import Design, choose_design
from scperturb_cmap.signatures.differential import COLUMNS, Fit, effect_sizes, wald_contrast
from scperturb_cmap.signatures.resample import donor_weights, weighted_wald
from scperturb_cmap.signatures.samples import covariates_of
from scperturb_cmap.utils.counts import log_cpm
from scperturb_cmap.utils.names import ALL_CELLS

__all__ = ["ALL_CELLS", "EXCLUDABLE", "Derived", "Settings", "derive_signatures"]

log = logging.getLogger(__name__)

#: Columns of the table of samples.
DESIGN_COLUMNS = (
    "dataset", "population", "donor", "arm", "condition", "covariates", "n_cells", "n_counts", "used", "reason", "pc1", "pc2",
    "pc1_share", "pc2_share",
)  # fmt: skip

#: Genes that can be left out of signatures, by their symbol (HGNC); RPS6KA1 and the like are kinases.
EXCLUDABLE = {"mitochondrial": r"MT-.+", "ribosomal": r"RP(SA|LP\d|[LS]\d+[AXYL]?\d?)"}


@dataclass(frozen=True)
class Settings:
    """How signatures are derived.

    Parameters
    ----------
    min_cells, min_donors
        See :func:`~scperturb_cmap.signatures.design.choose_design`.
    min_counts
        See :func:`~scperturb_cmap.signatures.differential.wald_contrast`.
    exclude
        Names of :data:`EXCLUDABLE` genes that stay in the model but not in the signature.
    resamples
        Bootstraps over donors per population (each donor is also left out once); 0 = no resamples at all.
    seed
        Of the bootstraps.
    threads
        Processes for the fit.
    """

    min_cells: int = 10
    min_donors: int = 1
    min_counts: int = 10
    exclude: Sequence[str] = ()
    resamples: int = 20
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Derived:
    """What one data set gives (see docs/output.md).

    Parameters
    ----------
    signatures
        The signature set: X = Wald z, or log fold changes where evidence is exploratory (``obs["effect"]``).
    samples
        The pseudobulk samples behind it, with ``used``, ``reason`` and principal components.
    resamples
        Signature set of the same populations with other donors: ``obs["resample"]`` says which; same genes.
    """

    signatures: ad.AnnData
    samples: pd.DataFrame
    resamples: ad.AnnData


@dataclass
class _Population:
    """One population on its way through :func:`derive_signatures`."""

    name: str
    design: Design
    result: pd.DataFrame
    effect: str = ""
    fit: Fit | None = field(default=None, repr=False)


def derive_signatures(
    counts: np.ndarray, samples: pd.DataFrame, populations: Sequence[str], mapping: pd.DataFrame, table: GeneTable, *,
    dataset: str, case: str, control: str, settings: Settings | None = None,
) -> Derived:  # fmt: skip
    """Derive one disease signature per population, and one of all cells together.

    Parameters
    ----------
    counts
        Sums of raw counts, shape (n_samples, n_genes).
    samples
        One row per sample, as :func:`~scperturb_cmap.signatures.samples.sample_codes` gives them.
    populations
        Which populations to derive; "all cells" is always added and counts every sample.
    mapping
        Gene key of every column of ``counts`` (:meth:`GeneTable.map`). Counts of one key are added up; genes without a
        key stay in the model, where they help to estimate size factors and dispersions, but not in the signature.
    table
        The run's gene table.
    dataset, case, control
        Names for ``obs``.
    settings
        Thresholds.

    Returns
    -------
    See :class:`Derived`; skipped populations are rows of NaN with a reason.
    """
    settings = settings or Settings()
    keys = mapping["gene_key"].where(mapping["gene_key"] != "", "unmatched:" + mapping["gene"]).to_numpy()
    by_key = pd.DataFrame(counts, columns=keys).T.groupby(level=0, sort=False).sum().T
    genes = signature_genes(by_key.columns, table, settings.exclude)
    covariates = covariates_of(samples)
    contrasts = list(_contrasts(samples, by_key, populations, covariates))
    done, tables = [], []
    for number, (name, mine, pool) in enumerate(contrasts, start=1):
        mine = mine.assign(n_counts=pool.loc[mine.index].sum(axis=1).astype(int))
        log.info("%s: population %d of %d, %s", dataset, number, len(contrasts), name)
        found = _derive(name, mine, pool, covariates, settings)
        if found.design.reason:
            log.warning("%s: %s is skipped. %s", dataset, name, found.design.reason)
        done.append(found)
        tables.append(found.design.samples.assign(**_components(pool, found.design)))

    layers = {column: np.stack([found.result.loc[genes, column] for found in done]) for column in COLUMNS}
    obs = pd.DataFrame(
        [_describe(found, dataset=dataset, case=case, control=control) for found in done],
        columns=list(POPULATION_COLUMNS),
    )
    obs.index = obs["dataset"] + "|" + obs["population"]
    var = table.genes.loc[genes]
    effects = set(obs["effect"]) - {""}
    effect = effects.pop() if len(effects) == 1 else "mixed"
    signatures = signature_set(layers.pop("value"), obs, var, effect, layers)
    resamples = _resample(done, obs, var, by_key.columns.get_indexer(genes), settings)
    return Derived(signatures, _design_table(tables, dataset, covariates), resamples)


def signature_genes(keys: Sequence[str], table: GeneTable, exclude: Sequence[str]) -> list[str]:
    """Keys that are genes of the table and not excluded by their symbol.

    Examples
    --------
    >>> genes = pd.DataFrame({"entrez_id": ["6205", "6195"], "symbol": ["RPS11", "RPS6KA1"], "ensembl_id": "",
    ...                       "synonyms": "", "feature_space": "other"})
    >>> signature_genes(["6205", "6195", "unmatched:x"], GeneTable.from_tables([genes]), ["ribosomal"])
    ['6195']
    """
    unwanted = re.compile("|".join(EXCLUDABLE[name] for name in exclude) or r"(?!)")
    symbols = table.genes["symbol"]
    return [key for key in keys if not key.startswith("unmatched:") and not unwanted.fullmatch(symbols[key])]


def _contrasts(
    samples: pd.DataFrame, counts: pd.DataFrame, populations: Sequence[str], covariates: list[str]
) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """(name, its samples, counts that have their rows) of every population, and of all cells together if that is more."""
    for name in populations:
        yield name, samples[samples["population"] == name], counts
    if set(samples["population"]) <= set(populations[:1]):
        return
    by_donor = samples.groupby(["donor", "arm", "condition"], sort=True)
    average = pd.concat([by_donor["n_cells"].sum(), by_donor[covariates].first()], axis=1).reset_index()
    sums = counts.groupby([samples["donor"], samples["arm"]], sort=True).sum()
    pool = sums.loc[pd.MultiIndex.from_frame(average[["donor", "arm"]])].reset_index(drop=True)
    yield ALL_CELLS, average.assign(population=ALL_CELLS), pool


def _derive(
    name: str, samples: pd.DataFrame, counts: pd.DataFrame, covariates: list[str], settings: Settings
) -> _Population:
    """Design and contrast of one population."""
    empty = pd.DataFrame(np.nan, index=counts.columns, columns=list(COLUMNS))
    if samples.empty:
        return _Population(
            name, Design(samples.assign(used="no", reason=""), reason="None of its cells has a donor."), empty
        )
    design = choose_design(samples, settings.min_cells, settings.min_donors, covariates)
    if design.reason:
        return _Population(name, design, empty)
    problem, fit, effect = "", None, "wald_z"
    if design.evidence == "exploratory":
        result, effect = effect_sizes(counts, design, settings.min_counts), "log_fc"
    else:
        try:
            result, fit = wald_contrast(counts, design, settings.min_counts, settings.threads)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            result, problem = empty, f"DESeq2's model cannot be fitted to it ({' '.join(str(error).split())[:200]})."
    if not problem and result["value"].isna().all():
        problem = f"Fewer than 10 genes have at least {settings.min_counts} counts over the donors: too shallow for a signature."
    if problem:
        skipped = design.samples.assign(
            used="no", reason=lambda s: s["reason"].where(s["reason"] != "", "population skipped")
        )
        return _Population(name, Design(skipped, reason=problem), empty)
    return _Population(name, design, result, effect, fit)


def _resample(
    done: list[_Population], obs: pd.DataFrame, var: pd.DataFrame, positions: np.ndarray, settings: Settings
) -> ad.AnnData:
    """Signatures of every population with other donors; ``positions`` are those of the signature's genes."""
    rows, values = [], []
    for found, about in zip(done, obs.to_dict("records"), strict=True):
        if found.fit is None or not settings.resamples:
            continue
        for name, weights in donor_weights(found.design, settings.resamples, settings.seed):
            z = np.full(len(found.fit.tested), np.nan)
            z[found.fit.tested] = weighted_wald(found.fit, weights)
            values.append(z[positions].astype(np.float32))
            missing = np.isnan(z).all()
            why = (
                {"status": "skipped", "reason": "These donors cannot tell the arms from the covariates."}
                if missing
                else {}
            )
            rows.append(about | {"resample": name} | why)
        log.info("%s: %d resamples in all after %s", about["dataset"], len(rows), found.name)
    table = pd.DataFrame(rows, columns=[*POPULATION_COLUMNS, "resample"])
    table.index = table["dataset"] + "|" + table["population"] + "|" + table["resample"]
    return signature_set(np.array(values).reshape(len(rows), len(var)), table, var, "wald_z")


def _components(counts: pd.DataFrame, design: Design, most: int = 500) -> dict[str, object]:
    """First two principal components of the samples used, over the genes that vary most; missing for the others."""
    used = design.used
    rows = design.samples.index.get_indexer(used.index)
    columns = {"pc1": np.full(len(design.samples), np.nan), "pc2": np.full(len(design.samples), np.nan)}
    shares = [np.nan, np.nan]
    if len(used) >= 3:
        values = log_cpm(counts.loc[used.index].to_numpy())
        chosen = np.sort(np.argsort(-values.var(axis=0), kind="stable")[:most])
        u, s, _ = np.linalg.svd(values[:, chosen] - values[:, chosen].mean(axis=0), full_matrices=False)
        # A component's sign is arbitrary: cases to the right.
        side = np.where((used["arm"] == "case").to_numpy(), 1, -1)
        for n, name in enumerate(columns):
            columns[name][rows] = u[:, n] * s[n] * (np.sign(u[:, n] @ side) or 1)
            shares[n] = s[n] ** 2 / max((s**2).sum(), 1e-12)
    return columns | {"pc1_share": shares[0], "pc2_share": shares[1]}


def _describe(found: _Population, **names: str) -> dict:
    """The obs row of one population."""
    design = found.design
    arms = {arm: design.used[design.used["arm"] == arm] for arm in ("case", "control")}
    return (
        names
        | {"population": found.name, "effect": found.effect}
        | {f"n_donors_{arm}": len(part) for arm, part in arms.items()}
        | {f"n_cells_{arm}": int(part["n_cells"].sum()) for arm, part in arms.items()}
        | {"design": design.kind, "covariates": "; ".join(design.covariates), "evidence": design.evidence}
        | {"status": "skipped" if design.reason else "ok", "reason": design.reason}
    )


def _design_table(tables: list[pd.DataFrame], dataset: str, covariates: list[str]) -> pd.DataFrame:
    table = pd.concat([part for part in tables if len(part)] or tables, ignore_index=True).assign(dataset=dataset)
    table["covariates"] = ["; ".join(f"{name}={row[name]}" for name in covariates) for row in table.to_dict("records")]
    return table[list(DESIGN_COLUMNS)]
