"""Counts of sequencing reads or molecules on a scale on which they can be compared."""

import numpy as np

__all__ = ["log_cpm"]

#: Counts added to every gene before a logarithm, for an average library (edgeR's prior.count).
_PRIOR = 2.0


def log_cpm(counts: np.ndarray) -> np.ndarray:
    """Log2 counts per million, two counts added in proportion to the library; shape of ``counts`` (samples x genes).

    References
    ----------
    Robinson et al. 2010 (edgeR), doi:10.1093/bioinformatics/btp616.

    Examples
    --------
    >>> log_cpm(np.array([[0, 10], [0, 10]])).round(2)
    array([[17.12, 19.71],
           [17.12, 19.71]])
    """
    library = counts.sum(axis=1, keepdims=True)
    prior = _PRIOR * library / library.mean()
    return np.log2((counts + prior) / (library + 2 * prior) * 1e6)
