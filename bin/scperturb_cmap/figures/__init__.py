"""Every figure and table the notebooks show: tables in, plotly figures or safe HTML out."""

from scperturb_cmap.figures.comparisons import (
    agreement_table,
    average_figure,
    average_table,
    matrix_caption,
    score_matrix,
)
from scperturb_cmap.figures.diagnostics import components_figure, ma_plot
from scperturb_cmap.figures.dossiers import dose_figure, dossiers, edge_figure
from scperturb_cmap.figures.drugs import drug_table, mimic_table
from scperturb_cmap.figures.genes import gene_table, signature_genes, volcano
from scperturb_cmap.figures.library import (
    condition_table,
    coverage_notice,
    line_coverage,
    mechanism_coverage,
    reference_table,
)
from scperturb_cmap.figures.overview import key_numbers, notices, question, remark_list, top_drugs
from scperturb_cmap.figures.populations import (
    badge,
    donor_table,
    population_genes,
    population_links,
    population_summary,
    population_table,
)
from scperturb_cmap.figures.provenance import (
    code_rows,
    funnel_figure,
    funnel_table,
    image_table,
    input_table,
    parameter_table,
    record_table,
    version_table,
)
from scperturb_cmap.figures.reasons import enrichment_table, partner_table, reasons
from scperturb_cmap.figures.results import AVERAGE, Results, ranked, reversing
from scperturb_cmap.figures.space import map_figure, model_card, neighbour_table
from scperturb_cmap.figures.style import THEME, Html, embed, fold, plain, standalone
from scperturb_cmap.figures.tables import Column, html_table
from scperturb_cmap.figures.validation import (
    batch_table,
    difference_table,
    efficacy_table,
    finding_table,
    gate_table,
    headline_note,
    indication_table,
    task_table,
    validation_figure,
    validation_table,
)

__all__ = [
    "AVERAGE",
    "THEME",
    "Column",
    "Html",
    "Results",
    "agreement_table",
    "average_figure",
    "average_table",
    "badge",
    "batch_table",
    "code_rows",
    "components_figure",
    "condition_table",
    "coverage_notice",
    "difference_table",
    "efficacy_table",
    "donor_table",
    "dose_figure",
    "dossiers",
    "drug_table",
    "edge_figure",
    "embed",
    "enrichment_table",
    "finding_table",
    "fold",
    "funnel_figure",
    "funnel_table",
    "gate_table",
    "gene_table",
    "headline_note",
    "html_table",
    "image_table",
    "indication_table",
    "input_table",
    "key_numbers",
    "line_coverage",
    "ma_plot",
    "map_figure",
    "matrix_caption",
    "mechanism_coverage",
    "mimic_table",
    "model_card",
    "neighbour_table",
    "notices",
    "parameter_table",
    "partner_table",
    "plain",
    "population_genes",
    "population_links",
    "population_summary",
    "population_table",
    "question",
    "ranked",
    "reasons",
    "record_table",
    "reference_table",
    "remark_list",
    "reversing",
    "score_matrix",
    "signature_genes",
    "standalone",
    "task_table",
    "top_drugs",
    "validation_figure",
    "validation_table",
    "version_table",
    "volcano",
]
