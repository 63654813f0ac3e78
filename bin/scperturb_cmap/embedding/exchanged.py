"""What a space learns from labels, and the same learned from labels that are exchanged: how far the labels themselves tell."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.linear import LinearEncoder
from scperturb_cmap.utils.batches import stretches

__all__ = ["exchange_compounds", "learned_from_labels"]

#: Blocks of linear layers that no compound has a part in: they are the same whatever the labels.
_WITHOUT_LABELS = frozenset({"plain", "whitened", "whitened both"})

#: Among fewer compounds too many would keep, or meet again, their own label.
_FEWEST = 10


def exchange_compounds(obs: pd.DataFrame, seed: int | Sequence[int]) -> np.ndarray:
    """Compounds of a reference exchanged at random among signatures of one cell line and batch.

    What a batch has in common stays together so: a space that learns it from these labels shows how far batches alone go. A
    batch with fewer than 10 compounds is exchanged with others of its line, a line with fewer with other lines. Every line
    keeps its labels, so that there is as much to learn from as before.

    Parameters
    ----------
    obs
        compound_id, cell_line and batch of every signature; one without a compound stays without.
    seed
        Of the exchange.

    Returns
    -------
    compound_id of every signature.

    Examples
    --------
    >>> obs = pd.DataFrame({"compound_id": [*"abcdefghij", ""], "cell_line": "A", "batch": ""})
    >>> found = exchange_compounds(obs, seed=0)
    >>> sorted(found[:10]) == list("abcdefghij"), bool((found[:10] == obs["compound_id"][:10]).all()), str(found[10])
    (True, False, '')
    """
    text = obs[["compound_id", "cell_line", "batch"]].astype(str).reset_index(drop=True)
    text["batch"] = stretches(text["batch"])
    out, left, random = (
        text["compound_id"].to_numpy(object),
        text[text["compound_id"] != ""],
        np.random.default_rng(seed),
    )
    for level in (["cell_line", "batch"], ["cell_line"], []):
        keys = pd.Series("", left.index)
        for column in level:
            keys = keys + "\t" + left[column]
        enough = left["compound_id"].groupby(keys).transform("nunique") >= (_FEWEST if level else 0)
        for _, rows in keys[enough].groupby(keys[enough]):
            out[rows.index] = out[random.permutation(rows.index)]
        left = left[~enough]
    return out.astype(str)


def learned_from_labels(space: Checkpoint) -> Checkpoint:
    """The same space without blocks that need no labels; layers that have no others are left out.

    Examples
    --------
    >>> from scperturb_cmap.embedding.linear import Block
    >>> one = Block("plain", np.array([0]), np.array([0]))
    >>> layers = {"profile": LinearEncoder([one]), "sets": LinearEncoder([one, replace(one, name="forward")])}
    >>> left = learned_from_labels(Checkpoint(layers, {}, [], None)).encoders
    >>> {kind: [block.name for block in layer.blocks] for kind, layer in left.items()}
    {'sets': ['forward']}
    """
    layers = {}
    for kind, encoder in space.encoders.items():
        if not isinstance(encoder, LinearEncoder):  # a network is learned from pairs as a whole
            layers[kind] = encoder
        elif blocks := [block for block in encoder.blocks if block.name not in _WITHOUT_LABELS]:
            layers[kind] = LinearEncoder(blocks)
    return replace(space, encoders=layers)
