"""Reference libraries: drug perturbations from any source -> signature-set shards of known quality."""

from scperturb_cmap.reference.build import build_shards
from scperturb_cmap.reference.metadata import COLUMNS, harmonise_metadata, quality_funnel

__all__ = ["COLUMNS", "build_shards", "harmonise_metadata", "quality_funnel"]
