"""Reference libraries: drug perturbations from any source -> signature-set shards of known quality."""

from scperturb_cmap.reference.build import build_shards
from scperturb_cmap.reference.library import (
    check_library_files,
    check_library_sizes,
    read_compounds,
    read_libraries,
    read_library,
    shards_of,
    write_library,
)
from scperturb_cmap.reference.metadata import harmonise_metadata
from scperturb_cmap.reference.null_signatures import choose_reference_queries, find_vehicles
from scperturb_cmap.reference.opening import open_reference
from scperturb_cmap.reference.quality import check_filters, parse_filters, quality_funnel
from scperturb_cmap.reference.replicates import check_plates, collapse_wells

__all__ = [
    "build_shards", "check_filters", "check_library_files", "check_library_sizes", "check_plates", "choose_reference_queries",
    "collapse_wells", "find_vehicles", "harmonise_metadata", "open_reference", "parse_filters", "quality_funnel",
    "read_compounds", "read_libraries", "read_library", "shards_of", "write_library",
]  # fmt: skip
