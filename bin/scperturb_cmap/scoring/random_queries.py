"""What a score would be for a query of random genes: the null of single pairs."""

import numpy as np
import torch

from scperturb_cmap.scoring.profiles import Profiles, Query
from scperturb_cmap.scoring.registry import Score
from scperturb_cmap.utils.ranks import p_as_low

__all__ = ["RandomQueries"]

#: Sizes of sets (and platforms) whose queries and scores are kept: with more, drawing again is cheap, keeping is not.
_MOST_KEPT = 8


class RandomQueries:
    """Random queries like those of a run, scored with every block of a reference anew.

    For scores of sets: up and down sets of the query's sizes, drawn without replacement among the genes of the run; the
    query's values go with them where the score weighs them. All queries with sets of these sizes share the sets. For scores
    of profiles: the query's own values in random order.

    Random genes are not correlated as the genes of a signature are, so this null is narrower than that of signatures that
    have nothing to do with a drug: a small p says that the genes matter, not that the disease does.

    Parameters
    ----------
    in_run
        Which of the reference's genes any query of the run measures, shape (n_genes,).
    n_random
        How many.
    seed
        The same queries are drawn for every block.
    """

    def __init__(self, in_run: np.ndarray, n_random: int, seed: int):
        self._in_run, self._n, self._seed = in_run, n_random, seed
        self._kept: dict[tuple, list[Query]] = {}
        self._scored: tuple[Profiles | None, dict[tuple, np.ndarray]] = (None, {})

    def p_values(
        self, scores: np.ndarray, query: Query, profiles: Profiles, genes: np.ndarray, score: Score
    ) -> np.ndarray:
        """How often a random query reverses as much: (1 + number with a score as low or lower) / (1 + number).

        Parameters
        ----------
        scores
            Of the query, shape (n_signatures,), missing values allowed.
        query
            The query.
        profiles
            The reference signatures.
        genes
            Positions of their genes among those of ``in_run``.
        score
            The score.

        Returns
        -------
        One-sided p-values of reversal, shape (n_signatures,); missing where the score is.
        """
        if np.isnan(scores).all():
            return np.full(len(scores), np.nan)
        if score.needs == "profile":
            null = _sorted_scores(self._permuted(query), profiles, score)
        elif score.weighs:
            null = _sorted_scores(self._weighted(query, genes), profiles, score)
        else:
            null = self._shared(query, profiles, genes, score)
        return p_as_low(scores, null.T)

    def _shared(self, query: Query, profiles: Profiles, genes: np.ndarray, score: Score) -> np.ndarray:
        """Scores that all queries with sets of these sizes share."""
        if self._scored[0] is not profiles or len(self._scored[1]) > _MOST_KEPT:
            self._scored = (profiles, {})
        key = (score.name, len(query.up), len(query.down))
        if key not in self._scored[1]:
            self._scored[1][key] = _sorted_scores(self._sets(query, genes), profiles, score)
        return self._scored[1][key]

    def _sets(self, query: Query, genes: np.ndarray) -> list[Query]:
        key = (len(query.up), len(query.down), genes.tobytes())
        if key not in self._kept:
            if len(self._kept) > _MOST_KEPT:
                self._kept.clear()
            rng = np.random.default_rng([self._seed, *key[:2]])
            pool = np.flatnonzero(self._in_run[genes])
            drawn = [rng.choice(pool, len(query.up) + len(query.down), replace=False) for _ in range(self._n)]
            device, up = query.genes.device, len(query.up)
            self._kept[key] = [
                Query(query.genes, query.values, *torch.as_tensor(tags, device=device).tensor_split([up]))
                for tags in drawn
            ]
        return self._kept[key]

    def _weighted(self, query: Query, genes: np.ndarray) -> list[Query]:
        """The values of the query's sets, at random genes."""
        values = query.values[torch.searchsorted(query.genes, torch.cat([query.up, query.down]))]
        return [
            Query(torch.cat([drawn.up, drawn.down]), values, drawn.up, drawn.down) for drawn in self._sets(query, genes)
        ]

    def _permuted(self, query: Query) -> list[Query]:
        generator = torch.Generator().manual_seed(self._seed)
        orders = (torch.randperm(len(query.values), generator=generator) for _ in range(self._n))
        return [
            Query(query.genes, query.values[order.to(query.values.device)], query.up, query.down) for order in orders
        ]


def _sorted_scores(queries: list[Query], profiles: Profiles, score: Score) -> np.ndarray:
    scores = score.function(queries, profiles).cpu().numpy()
    scores.sort(axis=0)
    return scores
