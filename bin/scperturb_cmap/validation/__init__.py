"""Proof on held-out perturbations: tasks with known answers, controls, leaks, intervals, the choice of the headline."""

from scperturb_cmap.validation.conclude import headline_of_run, refuse_leaks
from scperturb_cmap.validation.controls import CONTROLS
from scperturb_cmap.validation.disease import Agreement, Recovery, indication_recovery, sensitivity_agreement
from scperturb_cmap.validation.evaluate import COLUMNS, evaluate_queries, summarise
from scperturb_cmap.validation.headline import Headline, base_score, choose_headline
from scperturb_cmap.validation.leaks import CHECKS, Finding, inspect_run
from scperturb_cmap.validation.material import Material, learner, read_material
from scperturb_cmap.validation.metrics import METRICS, PRIMARY, chance, retrieval_metrics
from scperturb_cmap.validation.populations import compare_sensitivities, recover_indications
from scperturb_cmap.validation.reference import Validated, validate_reference
from scperturb_cmap.validation.spaces import LEARNED
from scperturb_cmap.validation.tables import validate_scores

__all__ = [
    "CHECKS", "COLUMNS", "CONTROLS", "LEARNED", "METRICS", "PRIMARY", "Agreement", "Finding", "Headline", "Material", "Recovery",
    "Validated", "base_score", "chance", "choose_headline", "compare_sensitivities", "evaluate_queries", "headline_of_run",
    "indication_recovery", "inspect_run", "learner", "read_material",
    "recover_indications", "refuse_leaks", "retrieval_metrics", "sensitivity_agreement", "summarise",
    "validate_reference", "validate_scores",
]  # fmt: skip
