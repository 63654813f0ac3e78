"""Opens every page of a report in a real browser, as its reader would: from disk, without a network.

Also a script: ``python tests/browser/check_pages.py REPORT [PICTURES]`` prints the problems and saves a picture of every page.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = Path(shutil.which("chromium") or "chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDTHS = (1440, 320)

#: What a page must be like: a list of sentences about what is not.
LOOK = """() => {
    const wrong = [], all = (selector) => [...document.querySelectorAll(selector)], page = document.documentElement;
    if (page.scrollWidth > innerWidth + 1) wrong.push(`it is ${page.scrollWidth} px wide in a window of ${innerWidth} px`);
    for (const plot of all(".plotly-graph-div"))
        if (!plot.querySelector(".main-svg") || plot.getBoundingClientRect().width < 100) wrong.push("a figure is not drawn");
    for (const table of all(".sheet table"))
        if (!table.tBodies.length || !table.tBodies[0].rows.length) wrong.push("a table is empty");
    for (const sheet of all(".sheet")) {
        const heads = sheet.querySelector("thead").offsetHeight;
        if (sheet.scrollHeight > sheet.clientHeight + 4 && heads > sheet.clientHeight / 2)
            wrong.push("a table's headings leave no room for its rows");
    }
    for (const element of all("main *")) {
        const harmful = [...element.attributes].filter(a => a.name.startsWith("on") || /^\\s*javascript:/i.test(a.value));
        if (harmful.length) wrong.push(`an element has ${harmful[0].name}="${harmful[0].value}"`);
    }
    if (all("main img[src=x]").length) wrong.push("a name became an image");
    if (/Traceback|\\bNaN\\b|undefined/.test(document.querySelector("main").innerText))
        wrong.push("it shows NaN, undefined or a traceback");
    return wrong;
}"""


#: What axe-core calls an obstacle for readers who do not see the page, or use no mouse; "minor" is left to taste.
GRAVE = ("moderate", "serious", "critical")

#: Folded parts are opened, or nobody would look there; of things that are alike, rows of a table or points of a figure, the
#: first few are left, or axe-core would take minutes for each of the large pages.
THIN_OUT = """() => {
    document.querySelectorAll("details").forEach(fold => fold.open = true);
    const look = (element) => element.tagName + element.className;
    const groups = "tbody, g.points, g.barlayer, g.infolayer, g.cartesianlayer g";
    for (const group of document.querySelectorAll(groups)) {
        const seen = {};
        for (const one of [...group.children]) {
            const kind = [one, ...one.querySelectorAll("*")].map(look).join();
            if ((seen[kind] = (seen[kind] || 0) + 1) > 4) one.remove();
        }
    }
}"""


@contextmanager
def browser() -> Iterator:
    """Run a Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


def check_report(
    folder: Path, pictures: Path | None = None, widths: tuple[int, ...] = WIDTHS, of_a_kind: int | None = None
) -> list[str]:
    """Open every page and say what is wrong with it.

    Parameters
    ----------
    folder
        The report: a folder with index.html.
    pictures
        Folder for a picture of every page and width; none by default.
    widths
        Widths of the window.
    of_a_kind
        axe-core, which takes longest, looks at so many pages that one notebook makes, as those of populations are; at all
        of them by default.

    Returns
    -------
    Problems as "page at width: what"; none if all is well.
    """
    folder = Path(folder).resolve()
    pages = sorted(folder.glob("*.html"))
    if folder / "index.html" not in pages:
        return [f"{folder}: there is no index.html"]
    problems: list[str] = []
    with browser() as chromium:
        for width in widths:
            seen = Counter()
            for path in pages:
                kind = path.name.split(".")[0]
                seen[kind] += 1
                page = chromium.new_page(viewport={"width": width, "height": 900})
                found = _check_page(page, path)
                if pictures:
                    pictures.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=pictures / f"{path.stem}_{width}.png", full_page=True)
                if of_a_kind is None or seen[kind] <= of_a_kind:
                    found += _obstacles(page)  # last: it changes the page
                problems += [f"{path.name} at {width} px: {problem}" for problem in found]
                page.close()
    return list(dict.fromkeys(problems))


def _check_page(page, path: Path) -> list[str]:
    heard: list[str] = []

    def on_request(request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            heard.append(f"it asks the network for {request.url}")

    def on_dialog(dialog) -> None:
        heard.append(f"a script from a name ran: {dialog.message}")
        dialog.dismiss()

    page.on("request", on_request)
    page.on("dialog", on_dialog)
    page.on("requestfailed", lambda request: heard.append(f"it does not find {request.url}"))
    page.on("pageerror", lambda error: heard.append(f"script error: {error}"))
    page.on("console", lambda message: heard.append(f"console: {message.text}") if message.type == "error" else None)
    page.goto(path.as_uri(), wait_until="load")
    page.wait_for_timeout(300)
    return heard + page.evaluate(LOOK) + _dead_links(page, path)


def _obstacles(page) -> list[str]:
    """What axe-core finds, one sentence per rule with the first places of it."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(THIN_OUT)
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    said = []
    for rule in found:
        if rule["impact"] in GRAVE:
            places = [" ".join(map(str, node["target"])) for node in rule["nodes"]]
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            said.append(f"{rule['impact']} ({rule['id']}): {rule['help']}: {', '.join(places[:3])}{more}")
    return said


def _dead_links(page, path: Path) -> list[str]:
    """Links of the page to files or places that are not there."""
    dead = []
    for link in page.evaluate("() => [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href'))"):
        target, _, place = link.partition("#")
        if ":" in target.split("/")[0]:
            continue
        if target and not (path.parent / target.split("?")[0]).exists():
            dead.append(f"the link to {link} is dead")
        if not target and place and not page.evaluate("id => !!document.getElementById(id)", place):
            dead.append(f"the link to {link} is dead")
    return dead


if __name__ == "__main__":
    found = check_report(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    print("\n".join(found) or "Every page is as it should be.")
    sys.exit(bool(found))
