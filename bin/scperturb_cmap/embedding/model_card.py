"""What a reader must know of a learned space before trusting it, as Markdown."""

from pathlib import PurePath

import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.training_set import MOST_PER_COMPOUND, MOST_SIGNATURES

__all__ = ["model_card"]


def model_card(checkpoint: Checkpoint, table: pd.DataFrame) -> str:
    """Data, splits, validation, limits and licences of a checkpoint.

    Parameters
    ----------
    checkpoint
        With ``about`` as TRAIN_EMBEDDING fills it: target, learned_from, references (effect, licence, counts, sources with
        checksums).
    table
        Settings tried (:func:`~scperturb_cmap.embedding.learn.learn`).

    References
    ----------
    Mitchell 2019, doi:10.1145/3287560.3287596 (model cards).

    Examples
    --------
    >>> import numpy as np
    >>> from scperturb_cmap.embedding.inputs import Centring
    >>> from scperturb_cmap.embedding.linear import Block, LinearEncoder
    >>> axes = np.eye(2, dtype=np.float32)
    >>> encoder = LinearEncoder([Block("whitened", axes, axes)])
    >>> about = {"seed": 1, "encoder": "linear", "target": "l1000", "learned_from": ["l1000"], "warnings": []}
    >>> about["references"] = {"l1000": {"licence": ""}}
    >>> centring = Centring({"": np.zeros(2)})
    >>> checkpoint = Checkpoint({"profile": encoder}, {"profile": list("ab")}, list("ab"), centring, about)
    >>> print(model_card(checkpoint, pd.DataFrame()))
    # The learned space of this run
    ...
    """
    about = checkpoint.about
    lines = ["# The learned space of this run", ""]
    lines += [
        f"Perturbations are those of {about['target']}, on {len(checkpoint.perturbation_genes):,} genes. "
        "The score is a cosine: positive mimics, negative reverses. It is for ranking drugs by hypothesis, not for treatment.",
        "",
        "## Data",
        "",
        "| Reference | Values | Signatures | Compounds | Licence | Source (SHA-256) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    others = sorted(set(about["references"]) - set(about["learned_from"]))
    for name, one in sorted(about["references"].items()):
        if name in others:
            continue
        # a card is passed on: folders of whoever made it are nobody's business
        sources = "; ".join(
            f"{PurePath(source['file']).name} ({source['sha256'][:12]}...)" for source in one.get("sources") or []
        )
        cells = [name, *(one.get(key, "") for key in ("effect", "n_signatures", "n_compounds"))]
        cells += [one.get("licence") or "not given: ask whoever gave you the data", sources]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    lines += [
        "",
        f"Of each reference at most {MOST_SIGNATURES:,} signatures are learned from, at most {MOST_PER_COMPOUND} of a compound, "
        f"drawn with seed {about['seed']}; vehicles are not.",
        *([f"Not learned from: {', '.join(others)}."] if others else []),
        "",
        "## Input layers",
        "",
        f"- Profiles: {_profiles(checkpoint, table)}",
        f"- Single cells: {_cells(checkpoint, table)}",
    ]
    if "settings" in about:
        n_tried = (table["layer"] == "sets").sum()
        lines += [
            f"- Gene sets: {_named(about['encoder'])}, from {about['n_paired_compounds']:,} compounds on both platforms.",
            f"  Settings: {', '.join(f'{name} {value}' for name, value in about['settings'].items())}.",
            "",
            "## Validation",
            "",
            f"{len(about['validation_compounds']):,} compounds (a fifth, listed in the checkpoint) chose {_chosen(about)}. "
            "Until then no map, mean or component had seen them. The mean place of the true compound among all of the reference "
            f"is {about['validation_mean_percentile']:.3f} for them (0 = first, 0.5 = chance; {n_tried:,} rows in the search "
            "table). It is the best value on the very compounds that chose, so it is optimistic: for others expect a worse one."
            + (" Then the map was fitted again, with them." if about["encoder"] == "linear" else ""),
        ]
    elif "sets" in checkpoint.encoders:
        lines.append("- Gene sets: as profiles, for the reference is of gene sets.")
    else:
        lines.append("- Gene sets: none. Populations given as gene sets have no score by the embedding.")
    lines += ["", "## Limits", ""]
    lines += [f"- {warning}" for warning in about["warnings"]]
    lines += [
        "- How well a population's profile is placed has to be seen in validation, with queries of single cells.",
        "- Compounds unlike those of the reference were never seen. Cell lines are not the client's cells.",
        "- A gene that is not measured counts as one without an effect.",
    ]
    return "\n".join(lines) + "\n"


def _profiles(checkpoint: Checkpoint, table: pd.DataFrame) -> str:
    """How the layer of profiles was made."""
    tried = table[table["layer"] == "profile"] if "layer" in table else table
    if tried.empty:
        return (
            "shrunken whitening of the reference, without pairs (too few compounds in two cell lines): compounds' names do no "
            "more than limit how many signatures of one are drawn."
        )
    names = ", ".join(block.name for block in checkpoint.encoders["profile"].blocks)
    best = tried["mean_percentile"].min()
    return (
        f"{names}, chosen among {len(tried)} by a fifth of the compounds in two cell lines or more, for which nothing had been "
        f"fitted (mean place of the same compound in another line {best:.3f}; 0 = first, 0.5 = chance; optimistic, for these "
        "compounds chose). Then fitted again, with them."
    )


def _cells(checkpoint: Checkpoint, table: pd.DataFrame) -> str:
    """How the layer of single cells was made, or what takes its place."""
    tried = table[table["layer"] == "cells"] if "layer" in table else table
    if tried.empty:
        return (
            "as profiles. They were not trained on: none shares enough compounds and genes with a target of profiles."
        )
    places = "; ".join(
        f"{name} {place:.3f}" for name, place in zip(tried["blocks"], tried["mean_percentile"], strict=True)
    )
    names = ", ".join(block.name for block in checkpoint.encoders.get("cells", checkpoint.encoders["profile"]).blocks)
    return (
        f"{names}. Every fifth of the compounds in single cells and in the reference, in turn unseen, chose among {places} "
        "(mean place; 0 = first, 0.5 = chance; optimistic, for these compounds chose)."
    )


def _chosen(about: dict) -> str:
    if about["encoder"] == "linear":
        return "the settings"
    return "the settings and the epoch of each network; the figure is that of all networks together"


def _named(encoder: str) -> str:
    return "a linear map in closed form" if encoder == "linear" else f"a network trained with the loss {encoder}"
