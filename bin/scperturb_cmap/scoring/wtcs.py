"""Weighted connectivity score (WTCS) of the Connectivity Map."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.profiles import Profiles, Query
from scperturb_cmap.scoring.rank_index import TIE

__all__ = ["enrichment_scores", "wtcs", "wtcs_down", "wtcs_up"]


def wtcs(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    r"""Two-sided weighted connectivity score of the query's up and down genes.

    .. math:: WTCS = (ES_{up} - ES_{down}) / 2 \text{ if their signs differ, else } 0

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down`` are used.
    profiles
        The reference signatures; each is ranked over all of its genes.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049.

    Examples
    --------
    The vector of docs/methods.md: U = {g1, g3}, D = {g9, g10}.

    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> wtcs([query], Profiles(z))[0].tolist()
    [0.9375]
    """
    scores = enrichment_scores([tags for query in queries for tags in (query.up, query.down)], profiles)
    up, down = scores[::2], scores[1::2]
    return torch.where(up.sign() != down.sign(), (up - down) / 2, torch.zeros_like(up))


def wtcs_up(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """One-sided score of the up genes alone: their enrichment score.

    Parameters
    ----------
    queries
        The disease signatures; their set ``up`` is used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).
    """
    return enrichment_scores([query.up for query in queries], profiles)


def wtcs_down(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """One-sided score of the down genes alone: their enrichment score with its sign turned round.

    Parameters
    ----------
    queries
        The disease signatures; their set ``down`` is used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).
    """
    return -enrichment_scores([query.down for query in queries], profiles)


def enrichment_scores(sets: Sequence[torch.Tensor], profiles: Profiles) -> torch.Tensor:
    """Enrichment of sets of genes towards the top (positive) or the bottom (negative) of each signature.

    Down the ranked list, a gene of the set S adds ``|z_g| / sum_{h in S} |z_h|``, any other gene takes away
    ``1 / (N - |S|)``; the score is the sum's largest deviation from zero, seen before and after each gene of the set.
    Only the genes of the set are visited: between two of them the sum falls in a straight line. On a CPU
    :class:`~scperturb_cmap.scoring.rank_index.RankIndex` does the same many times faster.

    Parameters
    ----------
    sets
        Positions of each set's genes.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_sets, n_signatures); 0 where every gene of the set has z = 0 or the set is empty. Of two equal
    deviations the positive one is taken.
    """
    if profiles.index is not None:
        return torch.from_numpy(profiles.index.enrichment_scores([tags.numpy() for tags in sets])).double()
    return torch.stack([_enrichment_score(tags, profiles) for tags in sets])


def _enrichment_score(tags: torch.Tensor, profiles: Profiles) -> torch.Tensor:
    n_signatures, n_genes = profiles.values.shape
    ranks, order = profiles.ranks[:, tags].sort(dim=1)
    weights = profiles.values[:, tags].double().abs().gather(1, order)
    total = weights.sum(dim=1, keepdim=True)
    if not len(tags) or len(tags) == n_genes:
        return torch.zeros(n_signatures, dtype=torch.float64, device=profiles.values.device)

    hits = weights.cumsum(dim=1) / total.clamp(min=torch.finfo(torch.float64).tiny)
    misses = (ranks - torch.arange(len(tags), device=ranks.device)).double() / (n_genes - len(tags))
    after = hits - misses
    before = after - weights / total.clamp(min=torch.finfo(torch.float64).tiny)
    highest = after.max(dim=1).values.clamp(min=0)
    lowest = before.min(dim=1).values.clamp(max=0)
    score = torch.where(highest >= -lowest - TIE, highest, lowest)
    return torch.where(total[:, 0] > 0, score, torch.zeros_like(score))
