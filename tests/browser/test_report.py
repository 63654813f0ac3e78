"""The whole report on made-up results with hostile names, opened from disk in a real Chromium."""

import runpy
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECK = runpy.run_path(str(HERE / "check_pages.py"))
MADE = runpy.run_path(str(HERE / "made_report.py"))
FAKE = MADE["FAKE"]
pytestmark = pytest.mark.skipif(not CHECK["CHROMIUM"].exists(), reason=f"there is no {CHECK['CHROMIUM']}")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The report of a run: every notebook executed, all pages built."""
    return MADE["made_report"](tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def open_page(report):
    """Open a page of the report."""
    with CHECK["browser"]() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})

        def show(name, query=""):
            page.goto((report / name).as_uri() + query)
            return page

        yield show


def test_every_page_is_as_it_should_be(report):
    assert CHECK["check_report"](report, of_a_kind=3) == []  # of three populations one is skipped


def test_the_check_notices_what_is_wrong(report, tmp_path):
    (
        tmp_path / "index.html"
    ).write_text("""<!doctype html><main><img src="x" onerror="alert(1)"><p style="width:3000px">NaN</p>
        <div class="sheet" style="height:90px;overflow:auto"><table><thead><tr><th style="height:80px">x</th></tr></thead>
        <tbody><tr><td>y</td></tr></tbody></table></div>
        <details><p style="color:#ccc;background:#fff">pale</p></details>
        <script src="https://example.org/x.js"></script><a href="gone.html">x</a><div class="plotly-graph-div"></div></main>""")
    said = "\n".join(CHECK["check_report"](tmp_path, widths=(400,)))
    for fault in (
        "asks the network",
        "a script from a name ran",
        "px wide",
        "onerror",
        "NaN",
        "gone.html is dead",
        "not drawn",
        "leave no room for its rows",
        "critical (image-alt)",
        "serious (color-contrast)",
    ):
        assert fault in said, fault
    assert CHECK["check_report"](tmp_path / "nothing") == [f"{tmp_path / 'nothing'}: there is no index.html"]


def test_hostile_names_are_read_as_they_are(open_page):
    for name in ("index.html", "dataset.demo.html"):
        text = open_page(name).inner_text("main")
        assert all(name in text for name in FAKE["HOSTILE"][:2]), name
    labels = open_page("dataset.demo.html").locator(".plotly-graph-div").first.text_content()
    assert "<script>alert(1)</script>" in labels and "<b>bold</b>" in labels


def test_tables_sort_and_search(open_page):
    page = open_page("population.demo.001.html")
    table = page.locator("table[data-search]").first

    def column(n):
        return table.locator(f"tbody tr:visible td:nth-child({n})").all_inner_texts()

    ranks = [int(rank) for rank in column(1)]
    assert ranks == sorted(ranks)
    table.get_by_role("button", name="Rank").first.click()
    table.get_by_role("button", name="Rank").first.click()
    assert [int(rank) for rank in column(1)] == ranks[::-1]
    table.get_by_role("button", name="By each score").click()
    medians = [sorted(map(int, ranks.split(" · ")))[1] for ranks in column(6)]
    assert medians == sorted(medians)
    box = page.locator(".filter input").first
    box.fill("<script> ALERT")
    assert column(2) == ["<script>alert(1)</script>"] or column(2) == []
    box.fill("")
    assert len(column(1)) == len(ranks)


def test_tables_fit_a_telephone_and_say_what_is_cut_off(open_page):
    page = open_page("index.html")
    page.set_viewport_size({"width": 320, "height": 900})
    assert max(page.eval_on_selector_all(".chip", "all => all.map(chip => chip.getBoundingClientRect().right)")) <= 320
    cut = page.locator("caption", has_text="what their signatures rest on").first
    page.wait_for_function("caption => (caption.dataset.more || '').includes('sideways')", arg=cut.element_handle())
    page.set_viewport_size({"width": 1400, "height": 900})
    page.wait_for_function("caption => !(caption.dataset.more || '').includes('sideways')", arg=cut.element_handle())


def test_a_figure_that_is_cut_off_says_so(open_page):
    page = open_page("dataset.demo.html")
    caption = page.locator("figure.plot.wide figcaption").first
    for width, cut in ((320, True), (1400, False)):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "([caption, cut]) => (caption.dataset.more || '').includes('sideways') === cut",
            arg=[caption.element_handle(), cut],
        )


def test_the_drug_stays_in_sight_while_its_table_is_moved_sideways(open_page):
    page = open_page("population.demo.001.html")
    page.set_viewport_size({"width": 320, "height": 900})
    sheet = page.locator(".sheet:has(table[data-search])").first
    sheet.evaluate("sheet => { sheet.scrollLeft = 300; sheet.scrollTop = 40; }")
    left = sheet.bounding_box()["x"]
    for cell in ("thead th.name", "tbody tr:nth-child(3) td.name"):
        assert abs(sheet.locator(cell).first.bounding_box()["x"] - left) < 3, cell
    page.set_viewport_size({"width": 1400, "height": 900})


def test_the_search_of_the_book_works_from_disk(open_page):
    page = open_page("search.html", "?q=tofacitinib")
    # Results are listed one after the other: wait for the one that is asked for.
    page.locator("#search-results li", has_text="Which drugs could reverse the disease?").wait_for()
