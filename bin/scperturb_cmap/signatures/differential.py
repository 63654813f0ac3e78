"""Donor-level differential expression by DESeq2's model (pydeseq2); effect sizes alone where there are no replicates."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scperturb_cmap.signatures.design import Design, standardised
from scperturb_cmap.utils.counts import log_cpm

__all__ = ["COLUMNS", "Fit", "effect_sizes", "wald_contrast"]

#: What a contrast gives for every gene; ``value`` is the signed evidence that becomes ``X`` of the signature set.
COLUMNS = ("value", "mean_count", "log_fc", "p_value", "fdr")

#: Counts of a gene per sample, on average. Below it there is nothing to estimate a dispersion from: p-values come out too
#: large, and tests that find nothing cost the others power (docs/develop.md, "What the null looks like").
_FEWEST_PER_SAMPLE = 1.25

#: Fewer genes do not give a dispersion trend.
_FEWEST_GENES = 10


@dataclass(frozen=True)
class Fit:
    """What :mod:`~scperturb_cmap.signatures.resample` needs to fit the same model to other donors.

    Parameters
    ----------
    counts
        Counts of the tested genes as the model saw them, outliers replaced; shape (n_samples, n_tested).
    model
        Design matrix, shape (n_samples, n_coefficients); the last coefficient is case against control.
    size_factors
        Shape (n_samples,).
    dispersions
        Shape (n_tested,).
    tested
        Which genes were tested, shape (n_genes,); False also where DESeq2 gave no p-value.
    """

    counts: np.ndarray
    model: np.ndarray
    size_factors: np.ndarray
    dispersions: np.ndarray
    tested: np.ndarray


def wald_contrast(
    counts: pd.DataFrame, design: Design, min_counts: int, threads: int = 1
) -> tuple[pd.DataFrame, Fit | None]:
    """Case against control by a negative binomial model over donors.

    The model is ``~ arm`` (unpaired) or ``~ donor + arm`` (paired), covariates before the arm, with dispersions
    shrunk over genes, and z = log2 fold change / its standard error. Size factors are medians of ratios over the positive
    counts ("poscounts"), since few genes are above zero in every pseudobulk sample. A gene is tested when the samples hold
    at least ``min_counts`` of its counts and 1.25 per sample on average, and it is seen in at least as many samples as the
    smaller arm has.

    Parameters
    ----------
    counts
        Sums of raw counts, samples x genes, index as in ``design.samples``.
    design
        Which samples to use and how.
    min_counts
        Fewest counts of a gene over the samples used.
    threads
        Processes for the fit.

    Returns
    -------
    table
        One row per gene of ``counts``, columns :data:`COLUMNS`: Wald z, mean normalised count, log2 fold change, p, FDR
        (Benjamini-Hochberg over the tested genes); missing where the gene was not tested. Where one donor decides (an
        outlier by Cook's distance), DESeq2 puts the gene's trimmed mean in the place of that donor's count if there are
        at least 7 donors like it (in the arm, with the same covariates; never in a paired contrast). Else only mean_count
        and log_fc are given, so such a gene is no part of the signature.
    fit
        The model, or None where too few genes can be tested.

    References
    ----------
    Love et al. 2014, doi:10.1186/s13059-014-0550-8; pseudobulk: Squair et al. 2021, doi:10.1038/s41467-021-25960-2.
    """
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    used = design.used
    wanted = counts.loc[used.index].round().astype(int)
    tested = _tested(wanted, used["arm"], min_counts)
    result = pd.DataFrame(np.nan, index=counts.columns, columns=list(COLUMNS))
    if tested.sum() < _FEWEST_GENES:
        return result, None

    metadata = pd.DataFrame({
        "arm": pd.Categorical(used["arm"], ["control", "case"]),
        # Codes, not names: a donor called "1:2" must not become a formula.
        "donor": pd.Categorical("d" + pd.Series(pd.factorize(used["donor"])[0]).astype(str)),
    }, index=used.index.astype(str))  # fmt: skip
    for number, name in enumerate(design.covariates):
        metadata[f"covariate{number}"] = standardised(used[name]).to_numpy()
    terms = ["donor"] if design.kind == "paired" else []
    terms += [name for name in metadata if name.startswith("covariate")]
    inference = DefaultInference(n_cpus=threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = DeseqDataSet(
            counts=wanted.loc[:, tested].set_axis(metadata.index),
            metadata=metadata,
            design=f"~ {' + '.join([*terms, 'arm'])}",
            size_factors_fit_type="poscounts",
            refit_cooks=True,
            inference=inference,
            quiet=True,
        )
        data.deseq2()
        stats = DeseqStats(
            data, contrast=["arm", "case", "control"], inference=inference, independent_filter=False, quiet=True
        )
        stats.run_wald_test()
        stats.summary()
    table = stats.results_df[["stat", "baseMean", "log2FoldChange", "pvalue", "padj"]]
    result.loc[tested] = table.to_numpy()
    result.loc[result["p_value"].isna(), "value"] = np.nan
    kept = table["pvalue"].notna().to_numpy()
    tested[tested] = kept
    fit = Fit(
        _as_fitted(data)[:, kept],
        data.obsm["design_matrix"].to_numpy(float),
        data.obs["size_factors"].to_numpy(float),
        data.var["dispersions"].to_numpy(float)[kept],
        tested.to_numpy(),
    )
    return result, fit


def effect_sizes(counts: pd.DataFrame, design: Design, min_counts: int) -> pd.DataFrame:
    """Case against control without replicates: differences of mean log2 counts per million, no p-value.

    Two counts are added to every gene of an average library before the logarithm (edgeR's ``cpm(log = TRUE)``), so that
    genes with few counts do not come first by chance.

    Parameters
    ----------
    counts, design, min_counts
        As for :func:`wald_contrast`.

    Returns
    -------
    One row per gene, columns :data:`COLUMNS`: value and log_fc are the difference, p_value and fdr are missing.

    References
    ----------
    Robinson et al. 2010 (edgeR), doi:10.1093/bioinformatics/btp616.

    Examples
    --------
    >>> from scperturb_cmap.signatures.design import choose_design
    >>> samples = pd.DataFrame({"donor": ["a", "b"], "arm": ["case", "control"], "n_cells": 90, "n_counts": 9000})
    >>> counts = pd.DataFrame([[400, 30, 0], [100, 330, 0]], columns=["up", "down", "never seen"])
    >>> effect_sizes(counts, choose_design(samples, 10, 1), 10)["log_fc"].round(2).tolist()
    [1.98, -3.38, nan]
    """
    used = design.used
    wanted = counts.loc[used.index]
    tested = _tested(wanted, used["arm"], min_counts)
    values = log_cpm(wanted.to_numpy())
    case = (used["arm"] == "case").to_numpy()
    result = pd.DataFrame(np.nan, index=counts.columns, columns=list(COLUMNS))
    result["log_fc"] = result["value"] = values[case].mean(axis=0) - values[~case].mean(axis=0)
    result["mean_count"] = wanted.mean()
    result[~tested.to_numpy()] = np.nan
    return result


def _as_fitted(data: "DeseqDataSet") -> np.ndarray:  # noqa: F821
    """Counts behind the final estimates: those given, where no outlier was replaced."""
    counts = pd.DataFrame(np.asarray(data.X, float), columns=data.var_names)
    if data.var["refitted"].any():
        again = data.counts_to_refit
        counts[again.var_names] = np.asarray(again.X, float)
    return counts.to_numpy()


def _tested(counts: pd.DataFrame, arms: pd.Series, min_counts: int) -> pd.Series:
    return (counts.sum() >= max(min_counts, _FEWEST_PER_SAMPLE * len(counts))) & (
        (counts > 0).sum() >= arms.value_counts().min()
    )
