"""Donor-level differential expression by DESeq2's model (pydeseq2), the Wald statistic as signed evidence."""

import warnings

import numpy as np
import pandas as pd

from scperturb_cmap.signatures.design import Design, standardised

__all__ = ["wald_contrast"]


def wald_contrast(counts: pd.DataFrame, design: Design, min_counts: int, threads: int = 1) -> pd.DataFrame:
    """Case against control by a negative binomial model over donors.

    The model is ``~ arm`` (unpaired) or ``~ donor + arm`` (paired), covariates before the arm, with dispersions
    shrunk over genes, and z = log2 fold change / its standard error. Size factors are medians of ratios over the positive
    counts ("poscounts"), since few genes are above zero in every pseudobulk sample. A gene is tested when the samples hold
    at least ``min_counts`` of its counts and it is seen in at least as many samples as the smaller arm has.

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
    One row per gene of ``counts``: mean_count, log_fc (log2), wald_z, p_value, fdr (Benjamini-Hochberg over the tested
    genes); missing where the gene was not tested. Where DESeq2 finds that one donor decides (an outlier by Cook's
    distance), only mean_count and log_fc are given, so such a gene is no part of the signature.

    References
    ----------
    Love et al. 2014, doi:10.1186/s13059-014-0550-8; pseudobulk: Squair et al. 2021, doi:10.1038/s41467-021-25960-2.
    """
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    used = design.used
    wanted = counts.loc[used.index].round().astype(int)
    smaller_arm = used["arm"].value_counts().min()
    tested = (wanted.sum() >= min_counts) & ((wanted > 0).sum() >= smaller_arm)
    columns = ["mean_count", "log_fc", "wald_z", "p_value", "fdr"]
    result = pd.DataFrame(np.nan, index=counts.columns, columns=columns)
    if tested.sum() < 10:  # too few genes for a dispersion trend
        return result

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
    table = stats.results_df
    result.loc[tested] = table[["baseMean", "log2FoldChange", "stat", "pvalue", "padj"]].to_numpy()
    result.loc[result["p_value"].isna(), "wald_z"] = np.nan
    return result
