#!/usr/bin/env python3
"""Build the report from executed notebooks: a folder of pages that opens from disk, and the same as a zip."""

import json
import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from html import escape
from pathlib import Path
from string import punctuation
from urllib.parse import unquote, urlsplit

from scperturb_cmap.report.branding import contact_line, logo_ending
from scperturb_cmap.utils.cli import base_parser, run
from scperturb_cmap.utils.errors import InputError, Problem, attempt
from scperturb_cmap.utils.files import DISK_FULL, system_error


def build_parser() -> ArgumentParser:
    parser = base_parser(__doc__)
    parser.add_argument("--book", type=Path, required=True, help="folder with _config.yml, _static and further pages")
    parser.add_argument("--notebooks", type=Path, nargs="+", required=True, help="executed notebooks, in any order")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="files for the folder of downloads")
    parser.add_argument(
        "--results", type=Path, nargs="*", default=[], help="files for rerun.zip: what the notebooks read"
    )
    parser.add_argument("--report-title", default="", help="title of the report; that of _config.yml by default")
    parser.add_argument("--report-logo", type=Path, help="picture above it: PNG, JPG or SVG of at most 1 MB")
    parser.add_argument(
        "--report-contact", default="", help="at the foot of every page: a name, an e-mail address or both"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the report; report.zip is written beside it"
    )
    return parser


def build_report(args: Namespace) -> None:
    pages = sorted((read_page(path) for path in args.notebooks), key=lambda page: (page["order"], page["name"]))
    check(args, pages)
    from scperturb_cmap.report import bundle, downloads, workbook  # heavy imports after parsing: --help stays instant

    source = args.out.with_name(f"{args.out.name}.book")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(args.book, source)
    for path in (source, *source.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)  # a shared installation may be read-only
    extra = source / "_extra"  # goes into the report as it is
    (extra / "tables").mkdir(parents=True)
    for path in args.tables:
        downloads.copy_table(path, extra / "tables")
    groups = downloads.grouped(args.tables)
    for name, files in groups.items():
        if tables := [path for path in files if path.suffix == ".tsv"]:
            workbook.write_workbook(extra / "tables" / f"{name}.xlsx", tables)
    if args.results:
        notebooks = {f"{page['name']}.ipynb": page["notebook"] for page in pages}
        bundle.write_bundle(extra / downloads.BUNDLE, notebooks, args.results)
    if args.tables or args.results:
        (source / "tables.md").write_text(downloads.tables_page(extra, groups), encoding="utf-8")
    write_source(source, pages, args)
    built = build_book(source)
    shutil.copytree(extra, built, dirs_exist_ok=True)
    if broken := broken_links(built):
        raise InputError(
            Problem(page, link, "The link leads nowhere.", "Hand over the notebook it means.") for page, link in broken
        )
    shutil.rmtree(args.out, ignore_errors=True)
    built.rename(args.out)
    shutil.rmtree(source)
    files = (path for path in args.out.rglob("*") if path.is_file())
    bundle.write_zip(
        args.out.with_name("report.zip"), {str("report" / path.relative_to(args.out)): path for path in files}
    )


def read_page(path: Path) -> dict:
    """Read an executed notebook; its metadata tells its place in the book."""
    from scperturb_cmap.io.json_files import NO_JSON

    if not path.is_file():
        raise InputError(Problem(str(path), "", "The file does not exist.", "Correct the path."))
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        place = notebook["metadata"].get("report", {})
        parameters = notebook["metadata"].get("papermill", {}).get("parameters", {})
        cells = notebook["cells"]
        if not isinstance(cells, list) or not all(isinstance(part, dict) for part in (place, parameters, *cells)):
            raise TypeError
    except (*NO_JSON, KeyError, TypeError, AttributeError):
        raise InputError(
            Problem(str(path), "", "It is no Jupyter notebook.", "Name files with the ending .ipynb.")
        ) from None
    name = place.get("page", "")
    if cells and (title := str(parameters.get(place.get("title"), ""))):
        # One notebook, many pages: each is called as its file is, and bears the value of a parameter as its title.
        name = re.sub(r"\A\d+_", "", path.stem)
        source = "".join(cells[0]["source"])
        heading = "# " + re.sub(f"([{re.escape(punctuation)}])", r"\\\1", title)
        cells[0]["source"] = re.sub(r"\A# .*", lambda _: heading, source)
    name = re.sub(r"[^\w.-]", "_", name or path.stem)
    under = f"{place['under']}.{parameters.get(place['under'])}" if "under" in place else ""
    page = {"name": name, "order": place.get("order", 9), "part": place.get("part", ""), "under": under}
    return page | {"notebook": notebook}


def check(args: Namespace, pages: list[dict]) -> None:
    """Stop where a book could not be built from this."""
    from scperturb_cmap.io.json_files import read_json

    names = [page["name"] for page in pages]
    problems = [
        Problem(str(path), "", "The file does not exist.", "Correct the path.")
        for path in (*args.tables, *args.results)
        if not path.is_file()
    ]
    for path in args.results:
        if path.suffix == ".json" and path.is_file():
            attempt(problems, read_json, path)
    if args.report_logo:
        attempt(problems, logo_ending, args.report_logo)
    if not (args.book / "_config.yml").is_file():
        problems.append(
            Problem(str(args.book), "", "The folder holds no _config.yml.", "Name the folder report/ of the pipeline.")
        )
    if args.out.exists() and not (args.out / "index.html").is_file() and any(args.out.iterdir()):
        problems.append(Problem(str(args.out), "", "It is there and is no report.", "Name a new folder with --out."))
    if "index" not in names:
        problems.append(
            Problem(
                "--notebooks",
                "",
                "The overview, the first page, is missing.",
                "Name the executed overview notebook too.",
            )
        )
    problems += [
        Problem("--notebooks", name, "Two notebooks make the same page.", "Name each only once.")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise InputError(problems)


def write_source(source: Path, pages: list[dict], args: Namespace) -> None:
    """Complete the book's source: pages, table of contents, whose report it is, and the one script that draws all figures."""
    import yaml
    from plotly.offline import get_plotlyjs

    parts: dict[str, list] = {}
    chapters: dict[str, dict] = {}
    for page in pages:
        (source / f"{page['name']}.ipynb").write_text(json.dumps(page["notebook"]), encoding="utf-8")
        chapter = chapters[page["name"]] = {"file": page["name"]}
        if page["under"] in chapters:
            chapters[page["under"]].setdefault("sections", []).append(chapter)
        elif page["name"] != "index":
            parts.setdefault(page["part"] or "Further pages", []).append(chapter)
    # pages of the book that need no results, and that of the downloads
    for path in sorted(source.glob("*.md")):
        parts.setdefault("About this run", []).append({"file": path.stem})
    toc = {
        "format": "jb-book",
        "root": "index",
        "parts": [{"caption": name, "chapters": files} for name, files in parts.items()],
    }
    (source / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    config = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))
    brand(config, source, args)
    (source / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (source / "_static").mkdir(exist_ok=True)
    (source / "_static" / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def brand(config: dict, source: Path, args: Namespace) -> None:
    """Put the client's title, logo and contact into the book's configuration; its theme takes texts as HTML."""
    theme = config["sphinx"]["config"]["html_theme_options"]
    if title := args.report_title.strip():
        config["title"] = title
        theme["logo"] = {"text": escape(title)}
    if args.report_logo:
        config["logo"] = f"logo.{logo_ending(args.report_logo)}"
        shutil.copyfile(args.report_logo, source / config["logo"])
    theme["extra_footer"] = contact_line(args.report_contact)


def build_book(source: Path) -> Path:
    """Run Jupyter Book; whatever it warns of would be a broken page."""
    local = {
        name: str((source / "_cache" / name.lower()).absolute())
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    }
    start = "from jupyter_book.cli.main import main; main()"  # it cannot be run with -m
    command = [sys.executable, "-c", start, "build", str(source), "-W", "--keep-going", "-q"]
    done = subprocess.run(command, env=os.environ | local, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode < 0:
        raise MemoryError(f"Jupyter Book was killed (signal {-done.returncode})")
    if done.returncode:
        if number := system_error(RuntimeError(done.stdout), DISK_FULL):
            raise OSError(number, os.strerror(number), source.name)
        said = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m", "", done.stdout).splitlines()]
        faults = [line for line in said if "WARNING" in line or "ERROR" in line] or said[-5:]
        raise InputError(Problem(str(source), "", f"Jupyter Book found a fault: {line}", "") for line in faults)
    html = source / "_build" / "html"
    # No reader needs them: maps for developers, fonts that browsers have a smaller form of or that no page uses.
    for pattern in (".buildinfo", "objects.inv", "_static/**/*.map", "_static/**/*.ttf", "_static/**/fa-[br]*.woff2"):
        for path in html.glob(pattern):
            path.unlink()
    shutil.rmtree(html / "_static" / "locales", ignore_errors=True)  # translations of the theme
    # 1.5 MB that draw the icons once more, which the theme's font has
    (html / "_static" / "scripts" / "fontawesome.js").write_text("")
    return html


def broken_links(folder: Path) -> list[tuple[str, str]]:
    """Links to files of the report that are not there: (page, link)."""
    found = []
    for page in sorted(folder.glob("*.html")):
        for link in re.findall(r'<[^>]+\s(?:href|src)="([^"#?]+)', page.read_text(encoding="utf-8")):
            if not urlsplit(link).scheme and not (folder / unquote(link)).exists():
                found.append((page.name, link))
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    sys.exit(run(build_parser(), build_report))
