"""What a run of the pipeline does: it learns a space as TRAIN_EMBEDDING does, and scores as SCORE_CONNECTIVITY does."""

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
from fold import learned_only
from real_data import Signatures

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.learn import learn
from scperturb_cmap.embedding.linear import LinearEncoder
from scperturb_cmap.embedding.retrieval import embedding_scores
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training_set import choose_signatures
from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS
from scperturb_cmap.validation.leaks import same_profiles


def as_set(
    signatures: Signatures | SimpleNamespace, effect: str, rows: np.ndarray | None = None, queries: bool = False,
    assay: str = "bulk",
) -> ad.AnnData:  # fmt: skip
    """Some signatures as a signature set of the pipeline."""
    rows = np.arange(len(signatures.values)) if rows is None else rows
    names = [f"s{n}" for n in rows]
    obs = pd.DataFrame("", names, list(dict.fromkeys([*PERTURBATION_COLUMNS, *POPULATION_COLUMNS])))
    obs = obs.assign(status="ok", dose_um=1.0, time_h=1.0, tas=0.5, dataset="d", population=names, pert_type="trt_cp")
    obs = obs.assign(reference="r", compound_id=signatures.compound[rows], cell_line=signatures.line[rows])
    if (number := getattr(signatures, "number", None)) is not None and (number >= 0).all():
        obs["batch"] = number[rows].astype(str)
    if queries:
        obs["effect"] = effect
    var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=signatures.genes)
    return ad.AnnData(signatures.values[rows].astype(np.float32), obs, var, uns={"effect": effect, "assay": assay})


def space_of_a_run(
    reference: Signatures,
    theirs: np.ndarray,
    sets: Signatures | None = None,
    mine: np.ndarray | None = None,
    *,
    cells: Iterable[tuple[Signatures, np.ndarray]] = (),
    effect: str = "modz",
) -> Checkpoint:
    """The space that a run learns from these signatures of a reference, and of gene sets and single cells where there are any."""
    given = [as_set(reference, effect, theirs)] + ([] if sets is None else [as_set(sets, "rank", mine)])
    given += [as_set(one, "signature", rows, assay="single_cell") for one, rows in cells]
    target, *sources = (one[choose_signatures([one.obs])[0]].copy() for one in given)
    return learn(target, sources)[0]


def scores_of_a_run(queries: ad.AnnData, searched: ad.AnnData, space: Checkpoint) -> np.ndarray:
    """Scores of a run; what has none comes last."""
    scores = embedding_scores(queries, searched, space)
    return np.where(np.isfinite(scores), scores, -2.0)


def untrained(space: Checkpoint, seed: int) -> Checkpoint:
    """The same space with random matrices; genes taken as they are have no part in it."""
    random, encoders = np.random.default_rng(seed), {}
    for kind, encoder in space.encoders.items():
        blocks = [
            replace(one, **{side: random.normal(size=getattr(one, side).shape) for side in ("query", "perturbation")})
            for one in learned_only(encoder).blocks
        ]
        encoders[kind] = LinearEncoder(blocks)
    return replace(space, encoders=encoders)


def without(one: ad.AnnData, genes: Iterable[str]) -> ad.AnnData:
    """The same set with genes that are not measured."""
    out = one.copy()
    out.X[:, np.isin(out.var_names, list(genes))] = np.nan
    return out


def twins(values: np.ndarray, compounds: np.ndarray) -> dict[str, str]:
    """Compound -> another one whose signature is the same measurement, or itself.

    Examples
    --------
    >>> twins(np.array([[1.0, 2, 4], [1, 2, 4], [4, 2, 1]]), np.array(["a", "b", "c"]))["b"] == "a"
    True
    """
    first = {name: name for name in compounds}
    for one, other in zip(*np.nonzero(np.triu(same_profiles(values, values), 1)), strict=True):
        left, right = sorted((first[compounds[one]], first[compounds[other]]))
        for name, now in first.items():
            if now == right:
                first[name] = left
    return first


def folds_of(compounds: set, same: dict[str, str], n_folds: int, seed: int, paired: np.ndarray) -> dict[str, int]:
    """Folds by compound; compounds of one measurement are in one fold."""
    names = {name: same.get(name, name) for name in compounds}
    folds = compound_folds(names.values(), n_folds, seed, {names[name] for name in paired})
    return {name: folds[first] for name, first in names.items()}
