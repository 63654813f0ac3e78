"""What a space learns from labels, and the same learned from labels that are exchanged: how far the labels themselves tell."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.linear import LinearEncoder
from scperturb_cmap.utils.batches import is_scan

__all__ = ["exchange_compounds", "learned_from_labels"]

#: Blocks of linear layers that no compound has a part in: they are the same whatever the labels.
_WITHOUT_LABELS = frozenset({"plain", "whitened", "whitened both"})

#: Signatures of a stretch of a scan, and compounds of a batch that are exchanged among themselves: of three, one keeps its own
#: label on average, which asks more of the true labels, where a wider exchange would take the batch away and ask less.
_STRETCH, _FEWEST = 10, 3


def exchange_compounds(obs: pd.DataFrame, seed: int | Sequence[int]) -> np.ndarray:
    """Compounds of a reference exchanged at random among signatures of one cell line and batch.

    What a batch has in common stays together so: a space that learns it from these labels shows how far batches alone go. Of a
    scan that is ten signatures or more that follow each other. A batch with fewer than three compounds is exchanged with others
    of its line, a line with fewer with other lines.

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
    out, random = text["compound_id"].to_numpy(object), np.random.default_rng(seed)
    left = text[text["compound_id"] != ""]
    if is_scan(left["batch"]):
        lines = pd.to_numeric(left["batch"]).groupby(left["cell_line"])
        place, n = lines.rank(method="first") - 1, lines.transform("size")
        left = left.assign(batch=(place * (n // _STRETCH).clip(lower=1) // n).astype(str))
    for level in (["cell_line", "batch"], ["cell_line"], []):
        group = left.groupby(level).ngroup() if level else pd.Series(0, left.index)
        enough = left["compound_id"].groupby(group).transform("nunique") >= (_FEWEST if level else 0)
        for at in left.index[enough].groupby(group[enough]).values():
            out[at] = out[random.permutation(at)]
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
