"""What a learned score must offer to stand beside the classic ones."""

from collections.abc import Sequence
from typing import Protocol

import anndata as ad
import numpy as np

__all__ = ["LearnedScore"]


class LearnedScore(Protocol):
    """A score that looks at whole signature sets: it has been learned on genes of its own."""

    name: str

    def scores(self, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Scores, shape (n_queries of all sets, n_signatures), and why a query or a signature has none ("" if it has)."""

    def p_values(self, scores: np.ndarray, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> np.ndarray:
        """How often random queries reverse as much as these scores say, shape of ``scores``."""
