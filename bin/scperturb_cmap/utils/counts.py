"""Counts of sequencing reads or molecules on a scale on which they can be compared."""

import numpy as np

__all__ = ["log_cpm"]

#: Counts added to every gene of the smallest library before a logarithm (edgeR's prior.count, there of an average library).
_PRIOR = 2.0


def log_cpm(counts: np.ndarray) -> np.ndarray:
    """Log2 counts per million, shape of ``counts`` (samples x genes), with two counts added in the smallest library.

    In others as many more as they are larger, so what is added is the same share of each. edgeR adds two counts in an average
    library: beside one a hundred times as large, that is next to nothing in a small one, whose single counts would become the
    largest differences.

    References
    ----------
    Robinson et al. 2010 (edgeR), doi:10.1093/bioinformatics/btp616.

    Examples
    --------
    >>> log_cpm(np.array([[0, 10], [0, 10]])).round(2)
    array([[17.12, 19.71],
           [17.12, 19.71]])
    >>> small, large = log_cpm(np.array([[0, 1, 99], [0, 0, 99999]]))
    >>> (small - large).round(2)
    array([ 0.  ,  0.58, -0.01])
    """
    library = counts.sum(axis=1, keepdims=True)
    prior = _PRIOR * library / library.min()
    return np.log2((counts + prior) / (library + 2 * prior) * 1e6)
