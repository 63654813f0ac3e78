"""Disease signatures: cells of cases and controls -> one signature per population, donors as replicates."""

from scperturb_cmap.signatures.derive import ALL_CELLS, derive_signatures

__all__ = ["ALL_CELLS", "derive_signatures"]
