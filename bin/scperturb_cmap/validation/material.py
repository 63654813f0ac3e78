"""What a run is validated on: chosen signatures of its references with the labels of their compounds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import anndata as ad
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.learn import learn
from scperturb_cmap.embedding.training import TrainingSettings
from scperturb_cmap.embedding.training_set import choose_target, learned_genes
from scperturb_cmap.io.signature_set import read_about, read_background, read_rows
from scperturb_cmap.reference import read_compounds, read_libraries, shards_of
from scperturb_cmap.reference.identity import unify_compounds
from scperturb_cmap.utils.names import of_a_compound
from scperturb_cmap.validation.families import add_families
from scperturb_cmap.validation.sample import choose_searched

__all__ = ["Material", "learner", "read_material"]


class Material(NamedTuple):
    """Signatures and labels.

    Parameters
    ----------
    name
        The reference that is searched.
    searched, genetic
        Its compounds' signatures and those of genetic perturbations, None without any; ``obs`` holds compound_id of one
        identity over all references, mechanism, targets, families and family
        (:func:`~scperturb_cmap.validation.families.add_families`), and the lineage of the line.
    others
        The same of the other references; ``uns["assay"]`` says what each was measured on.
    background
        Compounds of the reference queries.
    counts
        Signatures of each compound in the whole reference.
    """

    name: str
    searched: ad.AnnData | None
    genetic: ad.AnnData | None
    others: list[ad.AnnData]
    background: set[str]
    counts: pd.Series


def read_material(
    shards: Sequence[Path], libraries: Sequence[Path], compounds: Sequence[Path], searched: Sequence[str], *,
    annotation: pd.DataFrame | None = None, wanted: set[str] = frozenset(), reference_queries: Sequence[Path] = (), seed: int = 1,
) -> Material:  # fmt: skip
    """Read a bounded part of every reference.

    Parameters
    ----------
    shards, libraries, compounds
        Of all references, named as BUILD_REFERENCE names them.
    searched
        References whose drugs are ranked; the one that a space would span is validated
        (:func:`~scperturb_cmap.embedding.training_set.choose_target`).
    annotation
        Index compound_id; columns mechanism and targets.
    wanted
        Compounds that other tasks need, which are chosen first.
    reference_queries
        Signatures behind normalised scores.
    seed
        Of the choice.
    """
    about = read_libraries(libraries, ("effect", "n_signatures"))
    files = shards_of(shards, about, searched)
    tables = read_compounds(compounds, about)
    identity = unify_compounds(tables)
    known = {name: [read_about(path)[0] for path in paths] for name, paths in files.items()}
    target = choose_target({name: (about[name]["effect"], about[name]["n_signatures"]) for name in searched})
    lineages = _lineages([obs for parts in known.values() for obs in parts])
    labels = add_families(pd.DataFrame(columns=["mechanism", "targets"]) if annotation is None else annotation)
    members = labels.loc[labels["mechanism"] != "", "mechanism"].str.split("|").explode()
    several = set(members.index[members.map(members.value_counts()) > 1])

    def elsewhere(name: str, ids: set[str]) -> set[str]:
        """Compounds of a reference, as it calls them, that are among these identities."""
        return {pair[1] for pair, one in identity.items() if pair[0] == name and one in ids}

    def chosen(name: str, first: Sequence[set[str]], genetic: bool = False) -> ad.AnnData | None:
        names = choose_searched(known[name], first, genetic=genetic, seed=seed)
        pairs = zip(files[name], names, strict=True)
        parts = [read_rows(path, mine) for path, mine in pairs if mine]
        if not parts:
            return None
        whole = _joined(parts, name, identity, labels, tables[name], lineages)
        whole.uns["assay"] = about[name]["assay"]
        return whole

    also = {one for pair, one in identity.items() if pair[0] != target}
    main = chosen(target, [elsewhere(target, one) for one in (set(wanted), also, several)])
    shared = set(main.obs["compound_id"]) if main is not None else set()
    others = [chosen(name, [elsewhere(name, shared)]) for name in files if name != target]
    background = read_background([path for path in reference_queries if path.name.startswith(f"{target}.")])
    # such a query is called "<reference>|<signature>"; its compound stands in the shards
    names = set() if background is None else {name.split("|", 1)[1] for name in background.obs_names}
    obs = pd.concat([one["compound_id"].astype(str) for one in known[target]])
    behind = {identity.get((target, one), one) for one in obs[obs.index.isin(names)]}
    genetic, others = chosen(target, [], genetic=True), [one for one in others if one is not None]
    drawn = pd.concat([one.loc[of_a_compound(one), "compound_id"].astype(str) for one in known[target]])
    counts = drawn.map(lambda one: identity.get((target, one), one)).value_counts()
    return Material(target, main, genetic, others, behind, counts)


def _lineages(obs: Sequence[pd.DataFrame]) -> dict[str, str]:
    """Lineage of every cell line that any reference knows it of."""
    known = [one[["cell_line", "cell_lineage"]].astype(str) for one in obs if "cell_lineage" in one]
    lines = (
        pd.concat([one.drop_duplicates() for one in known])
        if known
        else pd.DataFrame(columns=["cell_line", "cell_lineage"])
    )
    return (
        lines[(lines != "").all(axis=1)].drop_duplicates("cell_line").set_index("cell_line")["cell_lineage"].to_dict()
    )


def _joined(
    parts: Sequence[ad.AnnData],
    name: str,
    identity: dict[tuple[str, str], str],
    labels: pd.DataFrame,
    compounds: pd.DataFrame,
    lineages: dict[str, str],
) -> ad.AnnData:
    """Signatures of one reference as one set, with what is known of their compounds."""
    whole = ad.concat(parts, merge="same", uns_merge="first")
    text = [column for column in whole.obs if not pd.api.types.is_numeric_dtype(whole.obs[column])]
    obs = whole.obs.astype(dict.fromkeys(text, str))
    own = obs["compound_id"]
    obs["compound_id"] = [identity.get((name, one), one) for one in own]  # as tables of drugs know it, too
    for column in ("mechanism", "targets", "families", "family"):
        obs[column] = obs["compound_id"].map(labels[column]).fillna("").astype(str)
    obs["lineage"] = obs["cell_line"].map(lineages).fillna(obs["cell_line"])  # a line of which none is known is its own
    keys = compounds.drop_duplicates("compound_id").set_index("compound_id")["inchi_keys"]
    obs["inchi_key"] = own.map(keys).fillna("").str.split("|").str[0]
    obs["reference"] = name
    return ad.AnnData(
        whole.X, obs, parts[0].var, layers=dict(whole.layers), uns={"effect": str(parts[0].uns["effect"])}
    )


def learner(
    sources: Sequence[str], *, encoder: str, search: bool, members: int, seed: int, device: str
) -> Callable[..., Checkpoint]:
    """A function that learns a space as TRAIN_EMBEDDING does, from a target and the references among ``sources``.

    Parameters
    ----------
    sources
        Names of references with role train or both.
    encoder, search, members, seed, device
        As there.
    """

    def learned(target: ad.AnnData, others: Sequence[ad.AnnData], like: Checkpoint | None = None) -> Checkpoint:
        target = _slim(target)
        used = [_slim(one, target.var_names) for one in others if one.n_obs and one.obs["reference"].iloc[0] in sources]
        return learn(target, used, encoder=encoder, search=search, members=members,
            training=TrainingSettings(seed=seed), device=device, like=like)[0]  # fmt: skip

    return learned


def _slim(signatures: ad.AnnData, asked: pd.Index | None = None) -> ad.AnnData:
    """On the genes that are learned from, without layers; single cells on those that are asked for."""
    effect, single = str(signatures.uns["effect"]), signatures.uns.get("assay") == "single_cell"
    genes = learned_genes(signatures, asked if single else None)
    part = signatures[:, genes]
    return ad.AnnData(
        part.X.copy(), part.obs, part.var[[]], uns={"effect": effect, "assay": signatures.uns.get("assay", "bulk")}
    )
