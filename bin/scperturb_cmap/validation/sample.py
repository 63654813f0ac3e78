"""Which signatures of a reference a run is validated on: a bounded, seeded choice of compounds, never a whole reference."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from scperturb_cmap.utils.names import of_a_compound

__all__ = ["MOST_PER_COMPOUND", "MOST_QUERIES", "MOST_SEARCHED", "choose_queries", "choose_searched"]

#: Signatures searched: 150 MB at 12,328 genes, and as much for their ranks.
MOST_SEARCHED = 3000

#: Of one compound: more compounds tell more than more signatures of each, and much-used controls must not decide.
MOST_PER_COMPOUND = 6

#: Queries; intervals come from compounds, so a few of many compounds tell more than many of few.
MOST_QUERIES = 300


def choose_searched(
    obs: Sequence[pd.DataFrame],
    first: Sequence[Collection[str]] = (),
    *,
    genetic: bool = False,
    most: int = MOST_SEARCHED,
    seed: int = 0,
) -> list[list[str]]:
    """Names of the signatures of compounds drawn at random until there are enough; of the last one perhaps not all.

    Parameters
    ----------
    obs
        ``obs`` of each shard: compound_id, pert_type, status. Controls (ctl_...) are no compounds.
    first
        Compounds to be drawn first, then those to be drawn next, and so on: answers that few compounds have.
    genetic
        Whether genetic perturbations are wanted, instead of all others.
    most
        Most signatures; of a compound :data:`MOST_PER_COMPOUND`.
    seed
        Of the choice.

    Returns
    -------
    For each shard the names chosen, in its order.

    Examples
    --------
    >>> obs = pd.DataFrame({"compound_id": list("aabbc"), "pert_type": "trt_cp", "status": "ok"}, index=list("vwxyz"))
    >>> choose_searched([obs], first=[{"b"}], most=2)
    [['x', 'y']]
    """
    columns = ["compound_id", "pert_type", "status"]
    every = pd.concat([one[columns].astype(str).assign(shard=n, place=range(len(one))) for n, one in enumerate(obs)])
    drawn = every[of_a_compound(every, genetic=genetic)].sample(frac=1, random_state=seed)
    drawn = drawn[drawn.groupby("compound_id").cumcount() < MOST_PER_COMPOUND]
    names = np.random.default_rng(seed).permutation(sorted(drawn["compound_id"].unique()))
    tier = np.full(len(names), len(first))
    for number, wanted in reversed(list(enumerate(first))):
        tier[np.isin(names, list(wanted))] = number
    order = pd.Series(np.argsort(np.argsort(tier, kind="stable"), kind="stable"), names, dtype=int)
    drawn = drawn.assign(order=drawn["compound_id"].map(order)).sort_values("order", kind="stable").head(most)
    chosen = [set(drawn.loc[drawn["shard"] == n, "place"]) for n in range(len(obs))]
    return [[name for k, name in enumerate(one.index) if k in mine] for one, mine in zip(obs, chosen, strict=True)]


def choose_queries(
    compounds: Sequence[str], most: int = MOST_QUERIES, seed: int = 0, first: np.ndarray | None = None
) -> np.ndarray:
    """Positions of the queries: one of every compound, then a second one, until there are enough.

    Parameters
    ----------
    compounds
        Of every signature.
    most, seed
        How many, and of the choice.
    first
        Signatures to be taken before others in each turn: those of a known mechanism, which few tasks can do without.

    Examples
    --------
    >>> sorted(np.array(list("aaab"))[choose_queries(list("aaab"), most=2)].tolist())
    ['a', 'b']
    >>> choose_queries(list("aabc"), most=2, first=np.array([False, False, True, True])).tolist()
    [2, 3]
    """
    drawn = pd.DataFrame({"compound": list(compounds), "later": True if first is None else ~np.asarray(first)})
    drawn = drawn.sample(frac=1, random_state=seed)
    turn = drawn.groupby("compound").cumcount()
    return np.sort(drawn.assign(turn=turn).sort_values(["turn", "later"], kind="stable").index[:most].to_numpy())
