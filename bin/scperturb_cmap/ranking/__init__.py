"""From scores of signatures to a ranking of drugs, per population."""

from scperturb_cmap.ranking.annotation import annotate, harmonise_annotation
from scperturb_cmap.ranking.rank import describe_populations, maxq, rank_drugs

__all__ = ["annotate", "describe_populations", "harmonise_annotation", "maxq", "rank_drugs"]
