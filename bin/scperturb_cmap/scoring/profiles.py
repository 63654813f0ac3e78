"""The two sides of a comparison, as tensors on the device that does the work."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from scperturb_cmap.scoring.correlation import ROUNDING
from scperturb_cmap.scoring.rank_index import RankIndex
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.ranks import MOST_GENES, descending_ranks, mean_ranks

__all__ = ["CLIP", "EXTREME", "Profiles", "Query", "average_ranks", "choose_device", "make_query"]

#: LINCS clips z-scores here before it combines replicates (MODZ); consensus files that do not, hold values beyond 200
#: that would decide a cosine alone.
CLIP = 10.0

#: Fraction of a signature's genes at either end that count as extreme: Cheng's 500 of some 12,000. A fixed number would
#: take in nearly all of 978 landmarks.
EXTREME = 0.05


@dataclass(frozen=True)
class Profiles:
    """Reference signatures that measure the same genes.

    Parameters
    ----------
    values
        float32, shape (n_signatures, n_genes), no missing values.
    known_ranks
        Their :func:`~scperturb_cmap.utils.ranks.descending_ranks`, where the shard holds them.
    """

    values: torch.Tensor
    known_ranks: np.ndarray | None = None

    @property
    def _on_cpu(self) -> bool:
        """Whether the compiled forms, which take float32 of the CPU, can do the work."""
        return self.values.dtype == torch.float32 and self.values.device.type == "cpu"

    @cached_property
    def index(self) -> RankIndex | None:
        """The signatures made ready for gene sets; None on a GPU, in float64 and for very many genes."""
        fits = self._on_cpu and self.values.shape[1] < MOST_GENES
        return RankIndex(self.values.numpy(), self.known_ranks) if fits else None

    @cached_property
    def ranks(self) -> torch.Tensor:
        """Rank of every gene in its signature, 0 = most up; ties in the order of the genes. Shape of ``values``."""
        if self.known_ranks is not None:
            return torch.as_tensor(self.known_ranks.astype(np.int32), device=self.values.device)
        if self._on_cpu:
            return torch.from_numpy(descending_ranks(self.values.numpy()).astype(np.int32))
        order = torch.sort(self.values, dim=1, descending=True, stable=True).indices
        places = torch.arange(order.shape[1], device=order.device).expand_as(order)
        return torch.empty_like(order).scatter_(1, order, places)

    @cached_property
    def unordered(self) -> torch.Tensor:
        """Which signatures give more than half of their genes the same value, 0, as gene sets do; bool, (n_signatures,)."""
        return (self.values == 0).sum(dim=1) > self.values.shape[1] / 2

    @cached_property
    def clipped(self) -> torch.Tensor:
        """Values clipped to +-10 (:data:`CLIP`)."""
        # Most references are within it: then no copy is made.
        inside = self.values.numel() == 0 or max(self.values.max(), -self.values.min()) <= CLIP
        return self.values if inside else self.values.clamp(-CLIP, CLIP)

    @cached_property
    def norms(self) -> torch.Tensor:
        """Euclidean norm of each clipped signature, float64; shape (n_signatures,)."""
        return torch.linalg.vector_norm(self.clipped, dim=1, dtype=torch.float64)

    @cached_property
    def centred(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Clipped values less their mean, and the norm of what is left (NaN where the signature is constant)."""
        off = self.clipped - self.clipped.mean(dim=1, keepdim=True, dtype=torch.float64)
        size = off.norm(dim=1)
        return off.to(self.values.dtype), torch.where(size > ROUNDING * self.norms, size, torch.nan)

    @cached_property
    def centred_ranks(self) -> tuple[torch.Tensor, torch.Tensor]:
        """:func:`average_ranks` less their mean, and the norm of what is left (0 where the signature is constant)."""
        off = average_ranks(self.values)
        off -= (off.shape[1] - 1) / 2
        return off.to(self.values.dtype), off.norm(dim=1)

    @cached_property
    def extreme(self) -> torch.Tensor:
        """Which genes are among the 5 % at either end of their signature (:data:`EXTREME`), and not 0, bool."""
        n_genes = self.values.shape[1]
        n_extreme = max(round(EXTREME * n_genes), 1)
        # of a gene set's many zeros, those at an end would be there by the order of the file
        return ((self.ranks < n_extreme) | (self.ranks >= n_genes - n_extreme)) & (self.values != 0)

    @cached_property
    def extreme_values(self) -> torch.Tensor:
        """Values of the extreme genes, 0 for all others."""
        return torch.where(self.extreme, self.values, 0)

    @cached_property
    def signed_ranks(self) -> torch.Tensor:
        """Rank of every gene by abs(z), 1 = smallest, ties share their mean, with the sign of z."""
        return ((average_ranks(self.values.abs()) + 1) * self.values.sign()).to(self.values.dtype)


@dataclass(frozen=True)
class Query:
    """A disease signature, seen from the genes of one group of reference signatures.

    Parameters
    ----------
    genes
        Positions, among the reference's genes, of those the query measures too; shape (n_shared,).
    values
        The query's values of these genes, float64; shape (n_shared,).
    up, down
        Positions, among the reference's genes, of the query's most up and most down genes.
    """

    genes: torch.Tensor
    values: torch.Tensor
    up: torch.Tensor
    down: torch.Tensor

    @cached_property
    def direction(self) -> torch.Tensor:
        """Values clipped to +-10, of length 1; NaN where all are 0."""
        clipped = self.values.clamp(-CLIP, CLIP)
        return clipped / clipped.norm()

    @cached_property
    def centred_direction(self) -> torch.Tensor:
        """Clipped values less their mean, of length 1; NaN where all are equal."""
        clipped = self.values.clamp(-CLIP, CLIP)
        off = clipped - clipped.mean()
        return off / torch.where(off.norm() > ROUNDING * clipped.norm(), off.norm(), torch.nan)

    @cached_property
    def rank_direction(self) -> torch.Tensor:
        """:func:`average_ranks` less their mean, of length 1; NaN where all are equal."""
        off = average_ranks(self.values[None])[0] - (len(self.values) - 1) / 2  # the mean of any ranks
        return off / off.norm()


def make_query(values: np.ndarray, n_genes: int, device: torch.device) -> Query:
    """Take the query's measured genes and its strongest ones in each direction.

    Parameters
    ----------
    values
        The query's values for the genes of the reference, NaN = not measured; shape (n_genes_reference,).
    n_genes
        Size of each set: the genes with the largest positive and the largest negative values. A gene must point in the
        direction of its set, so a set may be smaller. Equal values are taken in the order of the genes.
    device
        Where the tensors go.

    Examples
    --------
    >>> query = make_query(np.array([0.5, np.nan, -3.0, 2.0]), 1, torch.device("cpu"))
    >>> query.genes.tolist(), query.up.tolist(), query.down.tolist()
    ([0, 2, 3], [3], [2])
    """
    shared = np.flatnonzero(~np.isnan(values))
    up = shared[np.argsort(-values[shared], kind="stable")][:n_genes]
    down = shared[np.argsort(values[shared], kind="stable")][:n_genes]

    def tensor(positions: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.ascontiguousarray(positions), device=device)

    return Query(
        tensor(shared),
        tensor(values[shared].astype(np.float64)),
        tensor(up[values[up] > 0]),
        tensor(down[values[down] < 0]),
    )


def average_ranks(values: torch.Tensor) -> torch.Tensor:
    """Ranks along the last axis, 0 = smallest, ties share their mean.

    Parameters
    ----------
    values
        Shape (n, g).

    Returns
    -------
    float64, shape (n, g).

    Examples
    --------
    >>> average_ranks(torch.tensor([[5.0, 1.0, 5.0, 7.0]])).tolist()
    [[1.5, 0.0, 1.5, 3.0]]
    """
    if values.dtype == torch.float32 and values.device.type == "cpu":  # twenty times as fast
        return torch.from_numpy(mean_ranks(values.numpy()))
    ordered, order = torch.sort(values, dim=1, stable=True)
    group = torch.zeros_like(order)
    group[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).cumsum(dim=1)
    places = torch.arange(values.shape[1], device=values.device, dtype=torch.float64).expand(values.shape)
    size = torch.zeros(values.shape, dtype=torch.float64, device=values.device)
    total = torch.zeros_like(size).scatter_add_(1, group, places)
    size.scatter_add_(1, group, torch.ones_like(places))
    mean = (total / size.clamp(min=1)).gather(1, group)
    return torch.empty_like(mean).scatter_(1, order, mean)


def choose_device(name: str) -> torch.device:
    """The device to compute on: ``"auto"`` takes a GPU where there is one.

    Raises
    ------
    InputError
        A GPU is asked for and there is none.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "gpu" and not torch.cuda.is_available():
        raise InputError(Problem("--device gpu", "", "torch sees no GPU here.", "Use --device auto or cpu."))
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
