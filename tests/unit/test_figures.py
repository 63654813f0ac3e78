"""Figures and tables of the report: names stay text, missing things have a reason."""

import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from scperturb_cmap import figures
from scperturb_cmap.utils.errors import InputError

ROOT = Path(__file__).parents[2]
FAKE = runpy.run_path(str(ROOT / "tests" / "browser" / "fake_results.py"))
HOSTILE = FAKE["HOSTILE"]
TAGS = {
    "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span", "small", "b", "i", "u", "p", "ul", "li", "a", "nav",
    "section", "h3", "dl", "dt", "dd", "details", "summary", "figure", "figcaption", "code", "script",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of HTML: its tags, attributes, and text outside scripts."""

    def __init__(self, html: str):
        super().__init__()
        self.tags, self.attributes, self.text, self._script = set(), [], "", False
        self.feed(str(html))  # a Markup would escape what is added to it

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs]
        self._script = tag == "script"

    def handle_endtag(self, tag):
        self._script = False

    def handle_data(self, data):
        if not self._script:
            self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return figures.Results(FAKE["write_results"](tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="module")
def populations(run):
    return run.table("demo.populations.tsv")


@pytest.fixture(scope="module")
def drugs(run):
    return run.table("demo.drugs.tsv")


@pytest.fixture(scope="module")
def signatures(run):
    return run.signatures("demo")


@pytest.fixture(scope="module")
def shown(run, populations, drugs, signatures):
    """Every table and text of the report."""
    manifest = run.document("manifest.json")
    names = populations["population"]
    sections = [
        part
        for name in names
        for part in (
            figures.population_summary(name, populations, drugs, signatures),
            figures.drug_table(drugs, name),
            figures.mimic_table(drugs, name),
            figures.population_genes(name, populations, signatures),
        )
    ]
    why = [run.table(f"demo.{name}.tsv") for name in ("pairs", "leading_edges", "enrichment")]
    first = {name: figures.reversing(drugs, name)["compound_id"].head(10) for name in names}
    dossiers = [figures.dossiers(n, drugs, run.connections("demo", n, first[n]), why[0]) for n in names]
    searched, neighbours = run.searched(), run.table("run.neighbours.tsv")
    return {
        "reasons": figures.Html("").join(figures.reasons(name, *why) for name in populations["population"]),
        "question": figures.question(populations),
        "key_numbers": figures.key_numbers(populations, drugs, run.tables("funnel")),
        "top_drugs": figures.top_drugs(populations, drugs),
        "notices": figures.notices(populations, drugs),
        "remarks": figures.remark_list(run.remarks()),
        "populations": figures.population_table(populations, drugs),
        "links": figures.population_links(populations),
        "sections": figures.Html("").join(sections),
        "dossiers": figures.Html("").join(dossiers),
        "references": figures.reference_table(run),
        "coverage": figures.coverage_notice(searched),
        "lines": figures.line_coverage(searched),
        "conditions": figures.condition_table(searched),
        "mechanisms": figures.mechanism_coverage(drugs),
        "neighbours": figures.neighbour_table(neighbours),
        "card": figures.model_card(run.file("run.model_card.md").read_text()),
        "average": figures.average_table(drugs),
        "agreement": figures.agreement_table(drugs),
        "donors": figures.donor_table(run.table("demo.design.tsv")),
        "samples": figures.record_table(manifest["samples"], HOSTILE[0]),
        "inputs": figures.input_table(manifest["inputs"]),
        "images": figures.image_table(run.document("run.json")),
        "versions": figures.version_table(
            run.table("software_versions.tsv"), figures.code_rows(run.document("run.json"), manifest["code_digest"])
        ),
        "parameters": figures.parameter_table({HOSTILE[0]: HOSTILE[1]}),
        "funnel": figures.funnel_table(run.tables("funnel").assign(step=HOSTILE[0])),
        "headline": figures.headline_note(run),
        "validation": figures.validation_table(run.tables("validation"), run.tables("validation_tasks")),
        "differences": figures.difference_table(run.tables("validation"), run.tables("validation_tasks")),
        "tasks": figures.task_table(run.tables("validation_tasks")),
        "gates": figures.gate_table(run.tables("validation_gates"), run.tables("validation_tasks")),
        "findings": figures.finding_table(run.tables("validation_findings")),
        "indications": figures.indication_table(run.tables("indications")),
        "efficacy": figures.efficacy_table(run),
    }


@pytest.fixture(scope="module")
def drawn(run, populations, drugs, signatures):
    """Every figure of the report."""
    return {
        "matrix": figures.score_matrix(drugs),
        "average": figures.average_figure(drugs),
        "volcano": figures.volcano(figures.signature_genes(signatures, "CD14 monocytes")),
        "validation": figures.validation_figure(run.tables("validation"), run.tables("validation_tasks")),
        "edges": figures.edge_figure("B cells", drugs, run.table("demo.leading_edges.tsv")),
        "doses": figures.dose_figure(run.connections("demo", "B cells", ["id0", "id5"])),
        "map": figures.map_figure(next(run.embedded()), run.table("run.neighbours.tsv")),
        "components": figures.components_figure(run.table("demo.design.tsv")),
        "funnel": figures.funnel_figure(run.tables("funnel").assign(step=HOSTILE[0], detail=HOSTILE[1])),
    }


def test_names_from_data_are_text_in_tables(shown):
    for name, html in shown.items():
        page = Page(html)
        assert page.tags <= TAGS, f"{name}: {page.tags - TAGS}"
        assert not [attribute for attribute in page.attributes if attribute.startswith("on")], name
        assert "javascript:" not in re.sub(r">[^<]*<|title=\"[^\"]*\"|aria-label=\"[^\"]*\"", "", html), name
    for name in ("top_drugs", "sections", "reasons", "populations", "links"):
        assert HOSTILE[0] in Page(shown[name]).text, name
        assert "β-amyloid 抗体" in Page(shown[name]).text, name


def test_names_from_data_are_text_in_figures(drawn):
    for name, figure in drawn.items():
        markup = set(re.findall(r"<[^>]*>", " ".join(texts(figure.to_plotly_json()))))
        assert markup <= {"<b>", "</b>", "<br>", "<extra>", "</extra>"}, f"{name}: {markup}"
        html = figures.embed(figure, HOSTILE[0])
        assert html.count("</script>") == html.count("<script") == 1 and "cdn." not in html.lower(), name
        assert figure.layout.template.layout.colorway == figures.THEME.layout.colorway, name


def texts(node):
    """Every piece of text in a figure, but for the template."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        yield from (text for key, value in node.items() if key != "template" for text in texts(value))
    elif isinstance(node, list | tuple | np.ndarray):
        yield from (text for value in node for text in texts(value))


def test_two_names_that_are_cut_alike_stay_two(drugs):
    long = drugs[drugs["population"] == "CD14 monocytes"].assign(compound=lambda t: "x" * 80 + t["compound_id"])
    axis = figures.score_matrix(long).layout.xaxis
    assert len(set(axis.ticktext)) == 1 and len(set(axis.tickvals)) == 5


def test_a_population_that_was_not_ranked_says_why(shown, populations):
    reason = "Too few donors of pDC: 1 case, 0 control; 2 per arm are needed."
    for name in ("top_drugs", "notices", "sections"):
        assert reason in shown[name], name
    assert "Not ranked. " + reason in Page(shown["sections"]).text
    assert f'title="{reason}"' in shown["populations"]


def test_limited_evidence_is_marked_where_the_ranking_is(shown):
    assert re.search(r'B cells</a> <span class="badge limited"', shown["top_drugs"])
    assert '<p class="facts-line"><span class="badge limited"' in shown["sections"]
    assert "only two donors in an arm" in shown["notices"]


def test_few_shared_genes_and_single_signatures_are_told(populations, drugs):
    few = populations.assign(n_genes_shared=120, caution="few genes")
    assert "few genes" in figures.top_drugs(few, drugs) and "badge replicated" not in figures.top_drugs(few, drugs)
    said = Page(figures.notices(few, drugs.assign(n_signatures=1))).text
    assert "only 120 genes are measured" in said and "90 of 90 drugs have a single signature" in said
    fine = populations[populations["evidence"] == "replicated"].assign(n_genes_shared=900)
    assert "Every population was ranked" in figures.notices(fine, drugs.assign(fdr=0.05))
    said = Page(figures.notices(fine, drugs.assign(fdr=0.6))).text
    assert "Every population was ranked" not in said and "no drug has an FDR below 10 %" in said


def test_few_changed_genes_are_told(run, populations, drugs):
    weak = populations.assign(n_genes_shared=510, n_changed_shared=17, caution="weak signal")
    assert "17 of 510" in Page(figures.notices(weak, drugs)).text
    assert "weak signal" not in figures.notices(populations, drugs)
    fine, careful = (figures.key_numbers(p, drugs, run.tables("funnel")) for p in (populations, weak))
    assert "1of these to read with care" in Page(fine).text and "5of these to read with care" in Page(careful).text


def test_a_score_of_zero_is_no_candidate(populations, drugs):
    nothing = drugs.assign(score=drugs["score"].clip(lower=0))
    assert "None of the" in figures.drugs.drug_table(nothing, "B cells")
    assert figures.ranked(nothing, "B cells")["compound"].iloc[0] not in figures.population_table(populations, nothing)
    assert "no drug reverses this signature" in figures.average_table(nothing)


def test_only_reversal_counts_as_a_candidate(populations, drugs, signatures):
    mimics = drugs.assign(score=drugs["score"].abs())
    table = figures.top_drugs(populations, mimics)
    assert 'class="chip"' not in table and "No drug reverses this signature." in Page(table).text
    assert figures.average_figure(mimics) is None
    best = figures.ranked(drugs, "B cells")["compound_id"].iloc[0]
    one = mimics.assign(score=mimics["score"].where(mimics["compound_id"] != best, -mimics["score"]))
    assert "no further drug reverses this signature" in figures.top_drugs(populations, one)
    section = figures.population_summary("B cells", populations, mimics, signatures)
    assert "None of them reverses the signature." in section


def test_the_first_and_the_last_drugs_are_shown(drugs):
    mine = figures.ranked(drugs, "B cells")
    best = figures.drugs.drug_table(drugs, "B cells", best=7)
    assert best.count("<tr") == 8 and mine["compound"].iloc[0] in Page(best).text
    mimics = figures.drugs.mimic_table(drugs, "B cells", last=3)
    assert mimics.count("<tr") == 4 and mine["compound"].iloc[-1] in Page(mimics).text


def test_a_missing_score_is_a_dash_with_its_reason(drugs):
    row = figures.ranked(drugs, "B cells").iloc[[0]].assign(rank_cosine=np.nan, reason="too few genes in common")
    table = figures.drugs.drug_table(row, "B cells")
    assert '<span class="none" title="too few genes in common">–</span>' in table and "nan" not in Page(table).text


def test_the_average_is_compared_only_where_it_was_ranked(drugs):
    alone = drugs[drugs["population"] != figures.AVERAGE]
    assert figures.average_figure(alone) is None
    assert "There is one population only" in figures.average_table(alone)
    skipped = pd.DataFrame({"population": [figures.AVERAGE], "reason": "Too few donors."})
    assert "was not ranked. Too few donors." in figures.average_table(pd.concat([alone, skipped]))


def test_the_average_is_the_population_the_signatures_call_so():
    from scperturb_cmap.signatures.derive import ALL_CELLS

    assert figures.AVERAGE == ALL_CELLS


def test_agreement_is_the_correlation_of_ranks(drugs):
    mine = figures.ranked(drugs, "B cells")
    same = mine.assign(rank_spearman=mine["rank_cosine"], rank_wtcs=mine["rank_cosine"].max() + 1 - mine["rank_cosine"])
    assert re.findall(r"[−\d.]+</span>", figures.agreement_table(same)) == [
        "1.00</span>",
        "−1.00</span>",
        "−1.00</span>",
    ]
    assert "Only one score" in figures.agreement_table(mine.drop(columns=["rank_cosine", "rank_spearman"]))


def test_a_few_drugs_have_no_agreement(drugs):
    few = drugs[drugs["rank"].isna() | (drugs["rank"] <= 5)]
    assert "too few to tell" in figures.agreement_table(few)


def test_without_an_annotation_its_columns_are_left_out(drugs):
    assert "Mechanism" in figures.drugs.drug_table(drugs, "B cells")
    bare = drugs.assign(mechanism="", targets=np.nan, clinical_phase="")
    assert "Mechanism" not in figures.drugs.drug_table(bare, "B cells")


def test_the_volcano_draws_every_changed_gene(signatures):
    genes = figures.signature_genes(signatures, "CD14 monocytes")
    grey, down, up = figures.volcano(genes, background=50).data
    assert len(down.x) + len(up.x) == (genes["fdr"] < 0.05).sum() and len(grey.x) <= 50
    assert genes["symbol"].iloc[0] == "CXCL10" and np.isfinite(up.y).all()


def test_values_are_drawn_where_they_belong(drugs):
    heat = figures.score_matrix(drugs, best=1).data[0]
    best = figures.ranked(drugs).drop_duplicates("population").set_index("population")
    assert heat.z.shape[0] == len(best) and np.nanmin(heat.z) == pytest.approx(best["score"].min())
    assert heat.zmin == -heat.zmax  # nothing is white
    assert figures.THEME.layout.colorway[0] == heat.colorscale[0][1]  # reversal is the same blue everywhere


def test_folders_of_the_machine_are_left_out(shown):
    assert "/data/" not in shown["inputs"] + shown["samples"] and "demo.h5ad" in shown["inputs"]
    assert "covariates" not in shown["samples"]  # an empty column


def test_results_are_found_flat_and_in_folders(run, tmp_path):
    assert run.datasets == ["demo"] and len(run.tables("funnel")) == 3
    assert run.remarks() == [("demo", f"{HOSTILE[0]}: skipped")]
    (tmp_path / "x.populations.tsv").write_text("dataset\tpopulation\nx\tB\n")
    assert figures.Results(tmp_path).datasets == ["x"]
    with pytest.raises(InputError, match="nothing.tsv: It is not in"):
        run.table("nothing.tsv")
    with pytest.raises(InputError, match="There is no such folder"):
        figures.Results(tmp_path / "nowhere")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="no valid JSON"):
        figures.Results(tmp_path).document("manifest.json")


def test_one_population_and_forty():
    one = pd.DataFrame({
        "population": ["B"], "rank": [1], "compound": ["x"], "compound_id": ["x"], "score": [-0.5], "rank_wtcs": [1],
        "scored_by": ["maxq"],
    })  # fmt: skip
    forty = pd.concat([one.assign(population=f"P{n}", compound_id=f"x{n}", compound=f"x{n}") for n in range(40)])
    assert figures.score_matrix(one).data[0].z.tolist() == [[-0.5]]
    assert figures.score_matrix(forty).data[0].z.shape == (40, 40)
    assert isinstance(figures.average_figure(forty.replace({"population": {"P3": "all cells"}})), go.Figure)


def test_why_a_drug_stands_at_the_top(run):
    pairs, edges, enrichment = (run.table(f"demo.{name}.tsv") for name in ("pairs", "leading_edges", "enrichment"))
    said = Page(figures.partner_table("CD14 monocytes", pairs, edges, best=3)).text
    first = pairs.iloc[0]
    mine = edges[(edges["population"] == "CD14 monocytes") & (edges["compound_id"] == first["first_id"])]
    assert first["first"] in said and mine.loc[mine["set"] == "up", "symbol"].iloc[0] in said and "41 %" in said
    assert "No other drug adds a gene." in str(figures.partner_table("CD14 monocytes", pairs, edges))
    said = Page(figures.enrichment_table("CD14 monocytes", enrichment)).text
    assert "HDAC inhibitor" in said and HOSTILE[2] in said and "drugs drawn at random" in said
    assert HOSTILE[0] not in said  # its drugs mimic
    assert "was not ranked" in figures.reasons("pDC", pairs, edges, enrichment)
    mine = enrichment[(enrichment["population"] == "CD14 monocytes") & (enrichment["es"] < 0)]
    lone, shared = (
        mine.iloc[[0]].assign(leading_drugs="x", p_value=0.001),
        mine.iloc[[0]].assign(leading_drugs="x|y", p_value=0.4),
    )
    said = Page(
        figures.enrichment_table("CD14 monocytes", pd.concat([lone.assign(name="A"), shared.assign(name="B")]))
    ).text
    assert said.index("B") < said.index("(it alone)")
    not_run = enrichment.assign(status="not_run", es=np.nan, null="", reason="No drug annotation was given (--drugs).")
    assert "No drug annotation was given" in figures.enrichment_table("CD14 monocytes", not_run)
    assert "No drug reverses" in figures.partner_table("CD14 monocytes", pairs.assign(status="not_paired"), edges)
