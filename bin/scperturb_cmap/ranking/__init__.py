"""From scores of signatures to a ranking of drugs, per population."""

from scperturb_cmap.ranking.aggregation import AGGREGATIONS, best, consensus, maxq, mean
from scperturb_cmap.ranking.annotation import annotate, harmonise_annotation
from scperturb_cmap.ranking.rank import describe_populations, rank_drugs

__all__ = [
    "AGGREGATIONS", "annotate", "best", "consensus", "describe_populations", "harmonise_annotation", "maxq", "mean",
    "rank_drugs",
]  # fmt: skip
