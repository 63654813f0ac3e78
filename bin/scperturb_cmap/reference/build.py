"""From the matrix of a reference to signature-set shards of a bounded size."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.genes import MATCHED, GeneTable
from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, signature_set
from scperturb_cmap.utils.ranks import MOST_GENES, descending_ranks

__all__ = ["build_shards", "choose_rows"]

log = logging.getLogger(__name__)


def choose_rows(mapping: pd.DataFrame) -> pd.DataFrame:
    """One row of the matrix per gene key: the one matched in the most trustworthy way, then the first in the file.

    Parameters
    ----------
    mapping
        As :meth:`GeneTable.map` gives it, one row per row of the matrix.

    Returns
    -------
    The rows kept, in the order of the file; their index is the position in the matrix.

    Examples
    --------
    >>> mapping = pd.DataFrame({"gene": ["IP10", "CXCL10", "x"], "gene_key": ["3627", "3627", ""],
    ...                         "matched_by": ["synonym", "symbol", "unmatched"]})
    >>> choose_rows(mapping)["gene"].tolist()
    ['CXCL10']
    """
    matched = mapping.reset_index(drop=True)
    matched = matched[matched["gene_key"] != ""]
    trust = matched["matched_by"].map(MATCHED.index)
    return matched.loc[trust.sort_values(kind="stable").index].drop_duplicates("gene_key").sort_index()


def build_shards(
    read_block: Callable[[np.ndarray], np.ndarray], positions: np.ndarray, metadata: pd.DataFrame, mapping: pd.DataFrame,
    table: GeneTable, reference: str, effect: str, shard_size: int,
) -> Iterator[ad.AnnData]:  # fmt: skip
    """Read a reference shard by shard; only two shards are in memory at a time.

    Parameters
    ----------
    read_block
        Reads the signatures at given positions of the matrix: positions -> values of their own, shape (n_signatures,
        n_rows).
    positions
        Positions in the matrix of the signatures to keep, in order.
    metadata
        Their metadata (:func:`~scperturb_cmap.reference.metadata.harmonise_metadata`), same order.
    mapping
        Gene keys of the matrix' rows.
    table
        The run's gene table.
    reference
        Name of the reference.
    effect
        What its values are.
    shard_size
        Most signatures in a shard.

    Yields
    ------
    Signature sets, with the layer ``rank`` (:func:`~scperturb_cmap.utils.ranks.descending_ranks`) unless there are too many
    genes for 16 bits. A signature without any value has status "empty" and a reason.
    """
    rows = choose_rows(mapping)
    var = table.genes.loc[rows["gene_key"]]
    parts = [slice(start, start + shard_size) for start in range(0, len(positions), shard_size)]
    with ThreadPoolExecutor(1) as pool:  # while one shard is written, the next is read
        ahead = pool.submit(read_block, positions[parts[0]]) if parts else None
        for n, part in enumerate(parts):
            values = ahead.result()
            ahead = pool.submit(read_block, positions[parts[n + 1]]) if n + 1 < len(parts) else None
            if effect == "rank":
                _join_rows(values, mapping, rows)
            if len(rows) < values.shape[1]:
                values = values[:, rows.index]
            empty = _only_finite(values)
            obs = metadata.iloc[part].assign(
                reference=reference,
                status=np.where(empty, "empty", "ok"),
                reason=np.where(empty, "no value in the matrix", ""),
            )
            obs.index.name = None
            log.info("%s: read %d of %d signatures", reference, min(part.stop, len(positions)), len(positions))
            ready = {"rank": descending_ranks(values)} if values.shape[1] <= MOST_GENES else {}
            shard = signature_set(values, obs[list(PERTURBATION_COLUMNS)], var, effect, ready)
            del values, ready  # a shard is half a gigabyte: none is to be held longer than needed
            yield shard
            del shard


def _join_rows(values: np.ndarray, mapping: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Of gene sets: a gene stands under one of its names only, and is 0 under the others (IL8, CXCL8); in place.

    The row kept takes the strongest value of all rows of its gene; of equal and opposite ones neither.
    """
    keys = mapping["gene_key"].to_numpy()
    several = mapping.loc[mapping.duplicated("gene_key", keep=False).to_numpy() & (keys != ""), "gene_key"].unique()
    for kept in rows.index[rows["gene_key"].isin(several)]:
        mine = values[:, keys == keys[kept]]
        high, low = mine.max(axis=1), mine.min(axis=1)
        values[:, kept] = np.where(high > -low, high, np.where(high < -low, low, 0))


def _only_finite(values: np.ndarray) -> np.ndarray:
    """Make infinite values missing, in place; whether a signature is left without any, shape (n_signatures,)."""
    # A sum over the row finds the few rows to look at.
    odd = np.flatnonzero(~np.isfinite(values.sum(axis=1, dtype=np.float64)))
    values[odd] = np.where(np.isfinite(values[odd]), values[odd], np.nan)
    empty = np.zeros(len(values), bool)
    empty[odd] = np.isnan(values[odd]).all(axis=1)
    return empty
