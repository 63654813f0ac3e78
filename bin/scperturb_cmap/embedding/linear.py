"""Linear encoders in closed form: whitening, and a dual encoder by ridge regression both ways.

Every encoder is a list of blocks. A block maps each side to a space of its own, where a vector has length 1; the cosine in the
whole space is the weighted mean of the blocks' cosines. Without an intercept a block is odd: f(-x) = -f(x).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.sparse import csr_matrix

__all__ = [
    "Basis", "Block", "LinearEncoder", "LinearSettings", "balanced", "fit_dual", "principal_axes", "ridge",
    "whitening", "without",
]  # fmt: skip


@dataclass(frozen=True)
class LinearSettings:
    """Settings of the dual encoder.

    Parameters
    ----------
    n_query, n_reference
        Principal components of either side.
    ridge
        Penalty, in units of the mean variance of a component.
    plain
        Weight of the plain cosine beside the learned blocks, which have 1 each.
    """

    n_query: int = 200
    n_reference: int = 120
    ridge: float = 1.0
    plain: float = 0.5


@dataclass(frozen=True)
class Block:
    """One part of a space.

    Parameters
    ----------
    name
        What it is.
    query, perturbation
        Matrix (n_genes, n_dimensions) of either side, or positions of genes, shape (n_dimensions,), which are taken as they are.
    weight
        Part of the block in the cosine.
    """

    name: str
    query: np.ndarray
    perturbation: np.ndarray
    weight: float = 1.0


@dataclass(frozen=True)
class LinearEncoder:
    """Blocks side by side.

    Parameters
    ----------
    blocks
        At least one.

    Examples
    --------
    >>> encoder = LinearEncoder([Block("plain", np.array([0, 2]), np.array([0, 1]))])
    >>> encoder.encode_query(np.array([[3.0, 9, 4]])).round(2).tolist(), encoder.encode_perturbation(-np.eye(2)[:1]).tolist()
    ([[0.6000000238418579, 0.800000011920929]], [[-1.0, -0.0]])
    """

    blocks: Sequence[Block]

    def encode_query(self, scores: np.ndarray) -> np.ndarray:
        """Places of queries in the space, length 1 (0 where nothing is known of a query); float32 (n, n_dimensions)."""
        return self._encode(scores, "query")

    def encode_perturbation(self, scores: np.ndarray) -> np.ndarray:
        """Places of perturbations."""
        return self._encode(scores, "perturbation")

    def _encode(self, scores: np.ndarray, side: str) -> np.ndarray:
        total = sum(block.weight for block in self.blocks)
        parts = []
        for block in self.blocks:
            matrix = getattr(block, side)
            part = scores[:, matrix] if matrix.ndim == 1 else scores @ matrix
            parts.append(_unit(part) * np.sqrt(block.weight / total))
        return np.concatenate(parts, axis=1).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1; rows of zeros stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def principal_axes(scores: np.ndarray, n_components: int, seed: int = 0) -> np.ndarray:
    """First right singular vectors, shape (n_genes, n_components); nothing is centred.

    Examples
    --------
    >>> abs(principal_axes(np.diag([3.0, 1.0, 2.0]), 2)).round(2).tolist()
    [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    """
    from sklearn.utils.extmath import randomized_svd  # takes a second, and scoring does without it

    n_components = min(n_components, *scores.shape)
    sparse = np.count_nonzero(scores) < 0.1 * scores.size
    matrix = csr_matrix(scores) if sparse else scores
    # One iteration, which takes half the time, finds less: of 200 axes of CMap build 02 six sevenths of what four do.
    return randomized_svd(matrix, n_components, n_iter=4, random_state=seed)[2].T


def whitening(scores: np.ndarray, n_components: int | None = None, shrinkage: float = 0.0) -> np.ndarray:
    """Matrix that gives principal components unit variance.

    Parameters
    ----------
    scores
        Centred, shape (n_signatures, n_genes).
    n_components
        Components kept; all by default.
    shrinkage
        Added to every variance, in units of the mean variance of the first 50 components: 0 whitens, much leaves the
        directions as they are.

    Returns
    -------
    Shape (n_genes, n_components).

    Examples
    --------
    >>> scores = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    >>> (scores @ whitening(scores)).std(axis=0).round(6).tolist()
    [1.0, 1.0]
    """
    scores = np.asarray(scores, np.float64)
    if len(scores) > scores.shape[1]:
        # ten times as fast as the decomposition of the scores, and as exact as is needed here
        squares, axes = scipy.linalg.eigh(scores.T @ scores)
        squares, axes = squares[::-1], axes[:, ::-1].T
    else:
        _, sizes, axes = np.linalg.svd(scores, full_matrices=False)
        squares = sizes**2
    n_components = min(n_components or len(squares), int((squares > 1e-12 * squares[0]).sum()))
    variance = squares / len(scores)
    return axes[:n_components].T / np.sqrt(variance[:n_components] + shrinkage * variance[:50].mean())


def without(directions: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A map that does not see some directions: what it gives is free of them, whatever they hold in a signature.

    Parameters
    ----------
    directions
        Orthonormal rows, shape (k, n_genes).
    matrix
        Shape (n_genes, n_dimensions).

    Examples
    --------
    >>> np.array([[3.0, 1.0]]) @ without(np.array([[1.0, 0.0]]), np.eye(2))
    array([[0., 1.]])
    """
    return (matrix - directions.T @ (directions @ matrix)).astype(matrix.dtype)


def ridge(left: np.ndarray, right: np.ndarray, weight: np.ndarray, penalty: float) -> np.ndarray:
    """Weighted ridge regression without an intercept: matrix M with ``left @ M`` near ``right``.

    Parameters
    ----------
    left, right
        Shapes (n_pairs, a) and (n_pairs, b).
    weight
        Of each pair.
    penalty
        In units of the mean diagonal of the weighted Gram matrix.

    Examples
    --------
    >>> ridge(np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]]), np.ones(2), penalty=0.0).tolist()
    [[2.0]]
    """
    weighted = left * np.asarray(weight)[:, None]
    gram = weighted.T @ left
    gram[np.diag_indices_from(gram)] += penalty * np.trace(gram) / len(gram)
    return np.linalg.solve(gram, weighted.T @ right)


@dataclass(frozen=True)
class Basis:
    """What is fitted without labels: the subspace of either platform.

    Parameters
    ----------
    axes
        :func:`principal_axes` of the queries, scaled so that components have unit variance on average; (n_genes_query, a).
    inside
        The training queries in them, shape (n, a).
    white
        :func:`whitening` of the reference, shape (n_genes_reference, b).
    """

    axes: np.ndarray
    inside: np.ndarray
    white: np.ndarray

    @classmethod
    def fit(
        cls, query: np.ndarray, reference: np.ndarray, n_query: int, n_reference: int, common: np.ndarray | None = None
    ) -> "Basis":
        """Fit on centred signed scores of the training signatures; ``common`` directions are no part of the queries' axes."""
        axes = principal_axes(query, n_query)
        if common is not None:
            axes = without(common, axes)
        inside = query @ axes
        scale = inside.std()
        return cls(axes / scale, inside / scale, whitening(reference, n_reference).astype(np.float32))


def fit_dual(
    query: np.ndarray, reference: np.ndarray, pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    settings: LinearSettings = LinearSettings(), shared: tuple[np.ndarray, np.ndarray] | None = None,
    basis: Basis | None = None,
) -> LinearEncoder:  # fmt: skip
    """Dual encoder of two platforms: components of queries to whitened components of the reference, and back.

    Parameters
    ----------
    query, reference
        Centred signed scores of the training signatures, shapes (n, n_genes_query) and (m, n_genes_reference).
    pairs
        Positions in ``query`` and in ``reference``, and weights (:func:`~scperturb_cmap.embedding.pairs.mine_pairs`).
    settings
        See :class:`LinearSettings`.
    shared
        Positions of the genes that both sides measure, for the plain block; none without.
    basis
        Of these signatures, where it is known already, with at least as many components. ``query`` then only tells how widely
        the cosines spread, so a part of the signatures will do.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> state = random.normal(size=(200, 5))
    >>> query, reference = state @ random.normal(size=(5, 30)), state @ random.normal(size=(5, 20))
    >>> pairs = np.arange(100), np.arange(100), np.ones(100)
    >>> encoder = fit_dual(query[:100], reference[:100], pairs, LinearSettings(5, 5, 0.01))
    >>> match = encoder.encode_query(query[100:]) @ encoder.encode_perturbation(reference[100:]).T
    >>> float((match.argmax(axis=1) == np.arange(100)).mean())
    1.0
    """
    basis = basis or Basis.fit(query, reference, settings.n_query, settings.n_reference)
    axes, white = basis.axes[:, : settings.n_query], basis.white[:, : settings.n_reference]
    mine, theirs, weight = pairs
    left, right = basis.inside[mine, : settings.n_query].astype(float), (reference @ white)[theirs].astype(float)
    forward, backward = ridge(left, right, weight, settings.ridge), ridge(right, left, weight, settings.ridge)
    blocks = [
        Block("forward", axes @ forward.astype(np.float32), white),
        Block("backward", axes, white @ backward.astype(np.float32)),
    ]
    if shared is not None:
        blocks.append(Block("plain", *shared, weight=settings.plain))
    return balanced(blocks, query, reference)


def balanced(blocks: Sequence[Block], query: np.ndarray, reference: np.ndarray) -> LinearEncoder:
    """Weights divided by the spread of each block's cosines over training signatures, so that none drowns the others.

    Examples
    --------
    >>> blocks = [Block("a", np.array([0]), np.array([0])), Block("b", np.eye(3), np.eye(3))]
    >>> encoder = balanced(blocks, np.eye(3) - 0.5, np.eye(3) - 0.4)
    >>> [round(block.weight, 2) for block in encoder.blocks]
    [1.01, 1.51]
    """
    few = (slice(None, None, -(-len(query) // 1000)), slice(None, None, -(-len(reference) // 1000)))
    out = []
    for block in blocks:
        one = LinearEncoder([block])
        spread = float((one.encode_query(query[few[0]]) @ one.encode_perturbation(reference[few[1]]).T).std())
        out.append(Block(block.name, block.query, block.perturbation, block.weight / max(spread, 1e-6)))
    return LinearEncoder(out)
