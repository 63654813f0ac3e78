"""Scores that are one matrix product of all queries with all signatures of a block."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["by_genes", "one_by_one", "over_all_genes"]


def over_all_genes(queries: Sequence[Query], values: Sequence[torch.Tensor], profiles: Profiles) -> torch.Tensor:
    """Values of the queries' genes, 0 for every gene a query does not measure; shape (n_queries, n_genes).

    So a matrix product needs no copy of the reference without these genes.

    Parameters
    ----------
    queries
        Whose genes they are.
    values
        One value per gene of each query.
    profiles
        The reference, whose number of genes, precision and device the result has.

    Examples
    --------
    >>> query = Query(torch.tensor([0, 2]), torch.tensor([3.0, 4.0]), torch.tensor([2]), torch.tensor([0]))
    >>> over_all_genes([query], [query.values], Profiles(torch.zeros(1, 3))).tolist()
    [[3.0, 0.0, 4.0]]
    """
    n_genes, dtype = profiles.values.shape[1], profiles.values.dtype
    if all(len(query.genes) == n_genes for query in queries):
        return torch.stack(list(values)).to(dtype)
    # By numpy: torch spreads each of these small copies over all threads.
    filled = np.zeros((len(queries), n_genes))
    for row, query, mine in zip(filled, queries, values, strict=True):
        row[query.genes.cpu().numpy()] = mine.cpu().numpy()
    return torch.from_numpy(filled).to(dtype).to(profiles.values.device)


def by_genes(
    score: Callable[[Sequence[Query], Profiles], torch.Tensor], queries: Sequence[Query], profiles: Profiles
) -> torch.Tensor:
    """Score queries that measure the same genes together, each group against the reference's values of these genes.

    For scores that look at nothing but the genes both sides measure. Queries that measure all genes of the reference share
    what ``profiles`` has made ready; any other set of genes costs a copy of the reference.

    Parameters
    ----------
    score
        Scores of queries that measure every gene of the profiles they are given.
    queries, profiles
        What to score.

    Returns
    -------
    Shape (n_queries, n_signatures).
    """
    groups: dict[bytes, list[int]] = {}
    for number, query in enumerate(queries):
        groups.setdefault(query.genes.cpu().numpy().tobytes(), []).append(number)

    def of(numbers: list[int]) -> torch.Tensor:
        mine = [queries[number] for number in numbers]
        genes = mine[0].genes
        complete = len(genes) == profiles.values.shape[1]
        return score(mine, profiles if complete else Profiles(profiles.values[:, genes])).double()

    if len(groups) == 1:
        return of(list(range(len(queries))))
    scores = torch.empty((len(queries), len(profiles.values)), dtype=torch.float64, device=profiles.values.device)
    for numbers in groups.values():
        scores[numbers] = of(numbers)
    return scores


def one_by_one(
    score: Callable[[Query, Profiles], torch.Tensor], queries: Sequence[Query], profiles: Profiles
) -> torch.Tensor:
    """Scores of several queries by a score of one.

    Returns
    -------
    Shape (n_queries, n_signatures).

    Examples
    --------
    >>> query = Query(torch.tensor([0]), torch.tensor([1.0]), torch.tensor([0]), torch.tensor([], dtype=int))
    >>> one_by_one(lambda query, profiles: profiles.values.sum(dim=1), [query, query], Profiles(torch.tensor([[1.0, 2.0]])))
    tensor([[3.],
            [3.]])
    """
    return torch.stack([score(query, profiles) for query in queries])
