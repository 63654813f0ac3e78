"""Which signatures of the references a space is learned from: a bounded, seeded choice, never a whole reference."""

from collections.abc import Iterable, Sequence
from itertools import chain

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.inputs import is_gene_sets
from scperturb_cmap.utils.names import VEHICLE

__all__ = [
    "FEWEST_LANDMARKS", "MOST_GENES", "MOST_PER_COMPOUND", "MOST_SIGNATURES", "MOST_VALUES", "choose_signatures",
    "choose_target", "joined", "learned_genes",
]  # fmt: skip

#: Signatures of one reference that are learned from: 0.12 GB at 978 genes.
MOST_SIGNATURES = 30_000

#: Values of one reference that are learned from (0.4 GB, of which training holds a few copies): gene sets are over many genes.
MOST_VALUES = 100_000_000

#: Genes of a reference of profiles that are learned from where no landmarks are known: those that vary most.
MOST_GENES = 2000

#: Of one compound, or much-used controls would be most of what is drawn. (Maps weigh compounds, not signatures.)
MOST_PER_COMPOUND = 200

#: With so many landmark genes a reference is learned from on these alone: they are measured, the others follow from them.
FEWEST_LANDMARKS = 500


def choose_target(searched: dict[str, tuple[str, int]]) -> str:
    """The reference whose perturbations span the space: full profiles rather than gene sets, then the largest.

    Parameters
    ----------
    searched
        Reference with role both -> its effect, and its number of signatures.

    Examples
    --------
    >>> choose_target({"sets": ("rank", 9000), "l1000": ("modz", 700)})
    'l1000'
    """
    return min(searched, key=lambda name: (is_gene_sets(searched[name][0]), -searched[name][1], name))


def choose_signatures(
    obs: Sequence[pd.DataFrame], *, most: int = MOST_SIGNATURES, per_compound: int = MOST_PER_COMPOUND, seed: int = 0
) -> list[list[str]]:
    """Signatures to learn from, at random; vehicles and empty signatures teach nothing.

    Parameters
    ----------
    obs
        ``obs`` of each shard of one reference: compound_id, pert_type, status.
    most
        Most signatures.
    per_compound
        Most signatures of a compound.
    seed
        Of the choice.

    Returns
    -------
    For each shard the names chosen, in its order.

    Examples
    --------
    >>> obs = pd.DataFrame({"compound_id": list("aaab"), "pert_type": "trt_cp", "status": "ok"}, index=list("wxyz"))
    >>> [len(names) for names in choose_signatures([obs], per_compound=2)], "z" in choose_signatures([obs], per_compound=2)[0]
    ([3], True)
    """
    together = pd.concat(
        [one[["compound_id", "pert_type", "status"]].astype(str).assign(shard=n) for n, one in enumerate(obs)]
    )
    usable = together[(together["status"] == "ok") & (together["pert_type"] != VEHICLE)]
    drawn = usable.sample(frac=1, random_state=seed)
    named = drawn["compound_id"] != ""
    within = drawn.groupby("compound_id").cumcount() < per_compound
    chosen = drawn[within | ~named].head(most)
    return [
        [name for name in one.index if name in mine]
        for one, mine in ((one, set(chosen.index[chosen["shard"] == n])) for n, one in enumerate(obs))
    ]


def learned_genes(part: ad.AnnData, target: pd.Index | None = None, others: Iterable[ad.AnnData] = ()) -> np.ndarray:
    """Which genes of a reference are learned from: of gene sets all, of profiles landmarks, or those that vary most.

    Parameters
    ----------
    part
        Signatures of its first shard; ``uns`` holds the effect.
    target
        Genes of the target, where the reference is of single cells: these are learned from on the same.
    others
        Signatures of its other shards; read only where they say which genes vary most.

    Returns
    -------
    Gene keys, in the order of the reference.

    Examples
    --------
    >>> var = pd.DataFrame({"feature_space": ["landmark", "other"]}, index=["7", "9"])
    >>> part = ad.AnnData(np.eye(2, dtype=np.float32), var=var, uns={"effect": "modz"})
    >>> learned_genes(part).tolist(), learned_genes(part, pd.Index(["8", "9"])).tolist()
    (['7', '9'], ['9'])
    """
    if is_gene_sets(str(part.uns["effect"])):
        return part.var_names.to_numpy()
    if target is not None:
        return part.var_names[part.var_names.isin(target)].to_numpy()
    landmark = (part.var["feature_space"] == "landmark").to_numpy()
    if landmark.sum() >= FEWEST_LANDMARKS:
        return part.var_names[landmark].to_numpy()
    if part.n_vars <= MOST_GENES:
        return part.var_names.to_numpy()
    n, mean, square = 0, 0.0, 0.0
    for one in chain([part], others):  # one shard in memory at a time
        if one.n_obs:
            values = np.nan_to_num(np.asarray(one.X))
            middle = values.mean(axis=0, dtype=np.float64)
            n, mean = n + len(values), mean + len(values) * middle
            square = square + len(values) * (values.var(axis=0, dtype=np.float64) + middle**2)
    spread = square / max(n, 1) - (mean / max(n, 1)) ** 2 + np.zeros(part.n_vars)
    return part.var_names[np.sort(np.argsort(-spread, kind="stable")[:MOST_GENES])].to_numpy()


def joined(parts: Sequence[ad.AnnData], identity: dict[tuple[str, str], str], assay: str = "bulk") -> ad.AnnData:
    """Signatures of one reference as one set.

    Parameters
    ----------
    parts
        Chosen signatures of each shard, on the same genes.
    identity
        (reference, compound_id) -> identity over all references (:func:`~scperturb_cmap.reference.identity.unify_compounds`).
    assay
        What they were measured on, "bulk" or "single_cell".
    """
    obs = pd.concat([part.obs.astype({"compound_id": str, "reference": str, "cell_line": str}) for part in parts])
    pairs = zip(obs["reference"], obs["compound_id"], strict=True)
    obs["compound_id"] = [identity.get(pair, pair[1]) for pair in pairs]
    values = np.concatenate([np.asarray(part.X) for part in parts])
    return ad.AnnData(values, obs, parts[0].var[[]], uns={"effect": str(parts[0].uns["effect"]), "assay": assay})
