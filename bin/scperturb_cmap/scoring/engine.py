"""All queries of a run against one shard of a reference, block by block."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd
import torch

from scperturb_cmap.scoring.feature_space import in_feature_space
from scperturb_cmap.scoring.learned import LearnedScore
from scperturb_cmap.scoring.profiles import Profiles, Query, choose_device, make_query
from scperturb_cmap.scoring.random_queries import RandomQueries
from scperturb_cmap.scoring.registry import SCORES
from scperturb_cmap.utils.names import FDR
from scperturb_cmap.utils.ranks import are_ranks

__all__ = ["Scored", "score_blocks", "score_signatures"]

log = logging.getLogger(__name__)

#: Reference signatures compared at once: 50 MB of float32 at 12,328 genes, and as much for each form a score needs.
_BLOCK = 1024

#: Why a score that had enough genes is missing all the same.
_UNDEFINED = "undefined: one of the two signatures is constant among the genes compared"

_UNORDERED = "the drug's signature has no order: more than half of its genes have the value 0, as in a gene set"

_REFERENCE_COLUMNS = ["reference", "compound", "compound_id", "pert_type", "cell_line", "dose_um", "time_h", "tas"]


class Scored(NamedTuple):
    """Scores of one block of a reference.

    Parameters
    ----------
    table
        As :func:`score_signatures` yields it, with p_value where random queries were asked for.
    background
        Scores by the headline method of further queries, by the name of their set: signatures of the block x queries.
    """

    table: pd.DataFrame
    background: dict[str, pd.DataFrame]


class _Side(NamedTuple):
    """Queries in the reference's order of genes: what is known of them, values (NaN = not measured), which genes changed.

    ``sets`` are the same queries on all their genes.
    """

    obs: pd.DataFrame
    values: np.ndarray
    changed: np.ndarray
    sets: list[ad.AnnData]


def score_signatures(
    queries: ad.AnnData | Sequence[ad.AnnData], reference: ad.AnnData, methods: Sequence[str] = ("cosine", "spearman", "wtcs"), *,
    n_genes: int = 150, min_tags: int = 10, feature_space: str = "all", device: str = "auto",
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Compare every usable query with every reference signature.

    Genes are compared where both sides measured them. WTCS ranks a reference signature over all of its own genes, and
    takes the query's sets among the genes both measured.

    Parameters
    ----------
    queries
        Signature sets of disease populations, taken together so that a block of the reference is made ready once; populations
        with status "skipped" are left out.
    reference
        Signature set of drug perturbations (one shard), same gene key.
    methods
        Names of :data:`~scperturb_cmap.scoring.registry.SCORES`.
    n_genes
        Size of the query's up and down sets; a query that is a pair of sets keeps its own.
    min_tags
        Fewest genes in each set (for scores of sets) and in common (for scores of profiles): below, the score is missing.
    feature_space
        Genes of the reference that are compared and ranked: "all", "best_inferred" (with the landmarks) or "landmark".
    device
        "auto", "cpu" or "gpu".

    Raises
    ------
    InputError
        The reference has no gene of the feature space.

    Yields
    ------
    One table per block of the reference: dataset, population, signature, the reference's columns, one column per method,
    n_genes (in common), n_changed (of these, FDR below 5 %), n_up, n_down, status ("ok",
    "incomplete" where a method has no score), reason.

    Examples
    --------
    >>> from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS, signature_set
    >>> var = pd.DataFrame({"symbol": list("abcd"), "feature_space": "landmark"}, index=list("1234"))
    >>> ill = pd.DataFrame({c: ["ok"] for c in POPULATION_COLUMNS}, index=["ill|B"])
    >>> drugs = pd.DataFrame({c: ["x", "y"] for c in PERTURBATION_COLUMNS}, index=["x:1", "y:1"])
    >>> queries = signature_set(np.array([[3.0, 1, -1, -3]]), ill, var, "wald_z")
    >>> reference = signature_set(np.array([[2.0, 1, -1, -2], [-2, -1, 1, 2]]), drugs, var, "modz")
    >>> table = next(score_signatures(queries, reference, n_genes=1, min_tags=1, device="cpu"))
    >>> table[["signature", "spearman", "wtcs"]]
      signature  spearman  wtcs
    0       x:1       1.0   1.0
    1       y:1      -1.0  -1.0
    """
    blocks = score_blocks(
        queries, reference, methods, n_genes=n_genes, min_tags=min_tags, feature_space=feature_space, device=device
    )
    return (block.table for block in blocks)


def score_blocks(
    queries: ad.AnnData | Sequence[ad.AnnData], reference: ad.AnnData, methods: Sequence[str],
    background: Mapping[str, ad.AnnData] | None = None, *, headline: str = "wtcs", n_random: int = 0, seed: int = 0,
    n_genes: int = 150, min_tags: int = 10, feature_space: str = "all", device: str = "auto", learned: LearnedScore | None = None,
) -> Iterator[Scored]:  # fmt: skip
    """As :func:`score_signatures`, with further queries by one method and a p-value of every pair.

    Parameters
    ----------
    queries, reference, methods, n_genes, min_tags, feature_space, device
        As there.
    background
        Signature sets of which only the ``headline`` scores are wanted, by a name: reference queries, resamples of donors.
    headline
        The method of p-values and background.
    n_random
        Random queries each pair is compared with (:class:`~scperturb_cmap.scoring.random_queries.RandomQueries`); with 0
        there is no p_value.
    seed
        Of the random queries.
    learned
        A learned score, which ``methods`` call by its name.

    Yields
    ------
    One :class:`Scored` per block. A score of the background is missing where there are too few genes.
    """
    place = choose_device(device)
    log.info("scoring on %s", torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu")
    inside = in_feature_space(reference, feature_space)
    genes = reference.var_names[inside]
    side = _join([_as_side(one, genes) for one in ([queries] if isinstance(queries, ad.AnnData) else queries)])
    others = {name: _as_side(one, genes) for name, one in (background or {}).items()}
    random = RandomQueries(~np.isnan(side.values).all(axis=0), n_random, seed)
    ready = _Ready(n_genes, place)

    for start in range(0, reference.n_obs, _BLOCK):
        block = reference[start : start + _BLOCK]
        measured = np.asarray(block.X)
        measured = measured if inside.all() else measured[:, inside]
        ranked = "rank" in block.layers and inside.all()  # ranks hold among all genes measured
        tables = []
        wide = {name: np.full((block.n_obs, len(other.obs)), np.nan, np.float32) for name, other in others.items()}
        by_learned, p_learned = {}, None
        if learned and learned.name in methods:
            by_learned[""] = learned.scores(side.sets, block)
            if headline == learned.name:
                by_learned |= {name: learned.scores(other.sets, block) for name, other in others.items()}
                p_learned = learned.p_values(by_learned[""][0], side.sets, block) if n_random else None
        for rows, shared in _by_measured_genes(measured):
            # a block is not copied for nothing
            part = np.ix_(rows, shared) if len(rows) * len(shared) < measured.size else ...
            values = measured[part]
            ranks = np.asarray(block.layers["rank"])[part] if ranked else None
            fits = ranked and are_ranks(ranks, values)  # not where a user took some of the genes
            profiles = Profiles(torch.as_tensor(values, device=place), ranks if fits else None)
            known = {column: block.obs[column].to_numpy()[rows] for column in _REFERENCE_COLUMNS}
            mine = ready.queries("", side, shared)
            given = {}
            if by_learned:
                mine_learned, why, why_signature = by_learned[""]
                given[learned.name] = (mine_learned[:, rows], why, why_signature[rows])
            for number, scores in enumerate(_score(mine, side, profiles, methods, min_tags, given)):
                obs = side.obs.iloc[number]
                names = {"dataset": obs["dataset"], "population": obs["population"], "signature": block.obs_names[rows]}
                names["n_changed"] = int(side.changed[number, shared].sum())
                if p_learned is not None:
                    names["p_value"] = p_learned[number, rows]
                elif n_random:
                    names["p_value"] = random.p_values(
                        scores[headline], mine[number], profiles, shared, SCORES[headline]
                    )
                tables.append(pd.DataFrame(names | known | scores))
            for name, other in others.items():
                if name in by_learned:
                    wide[name][rows] = by_learned[name][0][:, rows].T
                    continue
                theirs = _score(ready.queries(name, other, shared), other, profiles, [headline], min_tags, {})
                for number, scores in enumerate(theirs):
                    wide[name][rows, number] = scores[headline]
        log.info("scored %d of %d reference signatures", min(start + _BLOCK, reference.n_obs), reference.n_obs)
        if tables:
            further = {
                name: pd.DataFrame(wide[name], index=block.obs_names, columns=other.obs.index)
                for name, other in others.items()
            }
            yield Scored(pd.concat(tables, ignore_index=True), further)


class _Ready:
    """Queries made ready for the genes of a reference, kept while the genes stay the same: a platform measures the same."""

    def __init__(self, n_genes: int, device: torch.device):
        self._n_genes, self._device = n_genes, device
        self._kept: dict[str, tuple[bytes, list[Query]]] = {}

    def queries(self, name: str, side: _Side, genes: np.ndarray) -> list[Query]:
        """The queries of a side, seen from these genes."""
        key = genes.tobytes()
        if name not in self._kept or self._kept[name][0] != key:
            sizes = (self._n_genes if ordered else len(genes) for ordered in _ordered(side.obs))
            made = [make_query(row, size, self._device) for row, size in zip(side.values[:, genes], sizes, strict=True)]
            self._kept[name] = (key, made)
        return self._kept[name][1]


def _ordered(obs: pd.DataFrame) -> np.ndarray:
    """Which queries have an order of genes; a pair of gene sets has none, and has the size it has."""
    return (obs["effect"] != "set").to_numpy() if "effect" in obs else np.ones(len(obs), bool)


def _as_side(queries: ad.AnnData, genes: pd.Index) -> _Side:
    """Populations that can be used, their values in the reference's order of genes, and what changed."""
    usable = queries[queries.obs["status"] != "skipped"]
    found = usable.var_names.get_indexer(genes)
    values = np.where(found >= 0, np.asarray(usable.X)[:, found], np.nan)
    fdr = usable.layers["fdr"] if "fdr" in usable.layers else np.full(usable.shape, np.nan)
    return _Side(usable.obs, values, (found >= 0) & (np.asarray(fdr)[:, found] < FDR), [usable])


def _join(sides: Sequence[_Side]) -> _Side:
    """The queries of several data sets as one side."""
    obs, values, changed, sets = zip(*sides, strict=True)
    return _Side(pd.concat(obs), np.concatenate(values), np.concatenate(changed), sum(sets, []))


def _score(
    queries: Sequence[Query],
    side: _Side,
    profiles: Profiles,
    methods: Sequence[str],
    min_tags: int,
    given: dict[str, tuple],
) -> Iterator[dict]:
    """Scores of each query, and why one is missing; ``given`` holds both for methods that are scored already."""
    ordered, scores, undefined = _ordered(side.obs), {}, _UNDEFINED
    reasons: list[list[str]] = [[] for _ in queries]
    for method in methods:
        if method in given:
            scores[method], why, of_signature = given[method]
            undefined = np.where(of_signature != "", f"{method}: " + of_signature, undefined)
            for number, reason in enumerate(why):
                reasons[number] += [f"{method}: {reason}"] if reason else []
            continue
        score, able = SCORES[method], []
        for number, query in enumerate(queries):
            profile = score.needs == "profile"
            smallest = len(query.genes) if profile else min(len(query.up), len(query.down))
            if score.needs == "ordered sets" and not ordered[number]:
                reasons[number].append(f"{method}: the query is a pair of gene sets without an order")
            elif smallest < min_tags:
                what = "genes in common" if profile else "genes in the up or down set"
                reasons[number].append(f"{method}: only {smallest} {what}, {min_tags} are needed")
            else:
                able.append(number)
        scores[method] = np.full((len(queries), len(profiles.values)), np.nan)
        if able:
            scores[method][able] = score.function([queries[number] for number in able], profiles).cpu().numpy()
        if score.places:
            unordered = profiles.unordered.cpu().numpy()
            scores[method][:, unordered] = np.nan
            undefined = np.where(unordered, f"{method}: {_UNORDERED}", undefined)
    for number, query in enumerate(queries):
        mine = {method: scores[method][number] for method in methods}
        sizes = {"n_genes": len(query.genes), "n_up": len(query.up), "n_down": len(query.down)}
        missing = np.isnan(np.stack(list(mine.values()))).any(axis=0)
        reason = np.where(missing, "; ".join(reasons[number]) or undefined, "")
        yield mine | sizes | {"status": np.where(missing, "incomplete", "ok"), "reason": reason}


def _by_measured_genes(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that measure the same genes, and these genes; a platform gives one group."""
    known = ~np.isnan(values)
    if (known == known[:1]).all():
        yield np.arange(len(values)), np.flatnonzero(known[0])
        return
    group, _ = pd.factorize(np.array([row.tobytes() for row in np.packbits(known, axis=1)], dtype=object))
    for number in range(group.max() + 1):
        rows = np.flatnonzero(group == number)
        yield rows, np.flatnonzero(known[rows[0]])
