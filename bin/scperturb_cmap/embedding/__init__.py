"""A shared space of queries and perturbations, learned from pairs of signatures of one compound."""

from scperturb_cmap.embedding.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from scperturb_cmap.embedding.retrieval import EmbeddingScore, embedding_scores, top_matches

__all__ = ["Checkpoint", "EmbeddingScore", "embedding_scores", "read_checkpoint", "top_matches", "write_checkpoint"]
