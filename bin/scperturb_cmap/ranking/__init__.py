"""From scores of signatures to a ranking of drugs, per population."""

from scperturb_cmap.ranking.aggregation import AGGREGATIONS, best, consensus, maxq, mean
from scperturb_cmap.ranking.annotation import annotate, annotated_compounds, harmonise_annotation
from scperturb_cmap.ranking.enrichment import enrich_ranking, enrichment
from scperturb_cmap.ranking.known_drugs import indicated_compounds, is_of, measured_compounds
from scperturb_cmap.ranking.pairs import REPORTED, pair_drugs, reported
from scperturb_cmap.ranking.rank import Ranking, describe_populations, rank_drugs

__all__ = [
    "AGGREGATIONS", "REPORTED", "Ranking", "annotate", "annotated_compounds", "best", "consensus", "describe_populations",
    "enrich_ranking", "enrichment", "harmonise_annotation", "indicated_compounds", "is_of", "maxq", "mean",
    "measured_compounds", "pair_drugs", "rank_drugs", "reported",
]  # fmt: skip
