"""Dual encoder in torch, odd by construction: a signature and its reversal lie opposite each other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

__all__ = ["DualEncoder", "Ensemble", "OddEncoder"]


class OddEncoder(nn.Module):
    """h(x) = (g(x) - g(-x)) / 2, brought to length 1.

    Parameters
    ----------
    inner
        The network g.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> odd, x = OddEncoder(nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3))), torch.randn(2, 4)
    >>> bool((odd(x) == -odd(-x)).all())
    True
    """

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Places in the space, length 1."""
        return nn.functional.normalize((self.inner(x) - self.inner(-x)) / 2, dim=-1)


class DualEncoder(nn.Module):
    """An input layer for each side and a trunk that both share, or one for each.

    Parameters
    ----------
    n_query, n_perturbation
        Genes of either side.
    n_hidden, n_dimensions
        Width of the trunk, and of the space.
    shared
        Whether both sides have one trunk.
    gene_dropout
        Part of the genes that is set to 0 in training, as if missing: an encoder cannot lean on which genes are there.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = DualEncoder(6, 4, n_hidden=8, n_dimensions=3).eval()
    >>> found = model.encode_query(np.ones((1, 6), np.float32))
    >>> found.shape, bool(abs(found + model.encode_query(-np.ones((1, 6), np.float32))).max() < 1e-6)
    ((1, 3), True)
    """

    def __init__(
        self, n_query: int, n_perturbation: int, *, n_hidden: int = 256, n_dimensions: int = 64, shared: bool = True,
        gene_dropout: float = 0.2,
    ):  # fmt: skip
        super().__init__()

        def trunk() -> nn.Module:
            return nn.Sequential(nn.GELU(), nn.Linear(n_hidden, n_dimensions))

        common = trunk()
        other = common if shared else trunk()
        self.query = OddEncoder(nn.Sequential(nn.Linear(n_query, n_hidden), common))
        self.perturbation = OddEncoder(nn.Sequential(nn.Linear(n_perturbation, n_hidden), other))
        self.gene_dropout = gene_dropout

    def forward(self, query: torch.Tensor, perturbation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Places of both sides; in training with genes left out."""
        drop = nn.functional.dropout
        return (
            self.query(drop(query, self.gene_dropout, self.training)),
            self.perturbation(drop(perturbation, self.gene_dropout, self.training)),
        )

    def encode_query(self, scores: np.ndarray) -> np.ndarray:
        """Places of queries, as in :class:`~scperturb_cmap.embedding.linear.LinearEncoder`."""
        return self._encode(self.query, scores)

    def encode_perturbation(self, scores: np.ndarray) -> np.ndarray:
        """Places of perturbations."""
        return self._encode(self.perturbation, scores)

    @torch.no_grad()
    def _encode(self, side: OddEncoder, scores: np.ndarray) -> np.ndarray:
        place = next(self.parameters()).device
        blocks = torch.as_tensor(np.ascontiguousarray(scores, np.float32)).split(4096)
        return torch.cat([side(block.to(place)).float().cpu() for block in blocks]).numpy()


@dataclass(frozen=True)
class Ensemble:
    """Several encoders side by side: the cosine of the whole is the mean of theirs.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> both = Ensemble([DualEncoder(6, 4, n_hidden=8, n_dimensions=3).eval() for _ in range(2)])
    >>> place = both.encode_query(np.ones((1, 6), np.float32))
    >>> place.shape, round(float((place**2).sum()), 3)
    ((1, 6), 1.0)
    """

    members: Sequence[DualEncoder]

    def encode_query(self, scores: np.ndarray) -> np.ndarray:
        """Places of queries, length 1."""
        return self._encode([member.encode_query(scores) for member in self.members])

    def encode_perturbation(self, scores: np.ndarray) -> np.ndarray:
        """Places of perturbations, length 1."""
        return self._encode([member.encode_perturbation(scores) for member in self.members])

    def _encode(self, parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts, axis=1) / np.float32(np.sqrt(len(parts)))
