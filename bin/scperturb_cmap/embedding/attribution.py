"""Which genes of a query carry its score with a place in the space."""

import numpy as np
import torch

from scperturb_cmap.embedding.encoder import DualEncoder, Ensemble
from scperturb_cmap.embedding.linear import LinearEncoder

__all__ = ["attribute_match"]

#: Steps of the path of integrated gradients.
_STEPS = 128


def attribute_match(
    encoder: LinearEncoder | DualEncoder | Ensemble, query: np.ndarray, place: np.ndarray
) -> np.ndarray:
    r"""Part of each gene in the score of a query with a place in the space, such as the mean of a compound's signatures.

    A linear encoder is a sum over genes once the query's length is given, so its parts are exact:

    .. math:: s = \sum_b \frac{w_b}{w} \frac{x A_b}{\lvert x A_b \rvert} p_b, \qquad
       s_g = x_g \sum_b \frac{w_b}{w} \frac{A_{bg} p_b}{\lvert x A_b \rvert}

    For a network: integrated gradients, from nothing to the query, of the map before it is brought to length 1, over its length
    at the query. (Those of the score itself add up to nothing: a query half as strong has the same direction.)

    Parameters
    ----------
    encoder
        Of the checkpoint, for this kind of query.
    query
        Signed scores of one query, shape (n_genes,).
    place
        In the space, shape (n_dimensions,).

    Returns
    -------
    Shape (n_genes,). The parts add up to the score; a gene with 0 has none.

    References
    ----------
    Sundararajan 2017, arXiv:1703.01365 (integrated gradients).

    Examples
    --------
    >>> from scperturb_cmap.embedding.linear import Block
    >>> encoder = LinearEncoder([Block("plain", np.array([0, 1]), np.array([0, 1]))])
    >>> attribute_match(encoder, np.array([3.0, 4.0]), np.array([1.0, 0.0])).round(2).tolist()
    [0.6, 0.0]
    """
    query = np.asarray(query, np.float64)
    if isinstance(encoder, LinearEncoder):
        return _exactly(encoder, query, np.asarray(place, np.float64))
    networks = encoder.members if isinstance(encoder, Ensemble) else [encoder]
    parts = np.split(np.asarray(place, np.float64), len(networks))
    share = np.sqrt(len(networks))
    return sum(_integrated(one, query, part) / share for one, part in zip(networks, parts, strict=True))


def _exactly(encoder: LinearEncoder, query: np.ndarray, place: np.ndarray) -> np.ndarray:
    total, out, start = sum(block.weight for block in encoder.blocks), np.zeros(len(query)), 0
    for block in encoder.blocks:
        genes = block.query.ndim == 1
        inside = query[block.query] if genes else query @ block.query
        mine = place[start : start + len(inside)] * np.sqrt(block.weight / total)
        start += len(inside)
        if length := np.linalg.norm(inside):
            weights = np.zeros(len(query))
            if genes:
                np.add.at(weights, block.query, mine)
            else:
                weights = block.query @ mine
            out += query * weights / length
    return out


def _integrated(network: DualEncoder, query: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of the map before it is brought to length 1, which at 0 is 0; over its length at the query."""
    x, target = torch.as_tensor(query, dtype=torch.float32), torch.as_tensor(place, dtype=torch.float32)
    inner = network.query.inner

    def odd(values: torch.Tensor) -> torch.Tensor:
        return (inner(values) - inner(-values)) / 2

    path = (((torch.arange(_STEPS) + 0.5) / _STEPS)[:, None] * x).requires_grad_(True)
    (gradients,) = torch.autograd.grad((odd(path) @ target).sum(), path)
    return (x * gradients.mean(dim=0) / odd(x).norm().clamp_min(1e-12)).detach().double().numpy()
