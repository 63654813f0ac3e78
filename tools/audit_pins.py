#!/usr/bin/env python3
"""Write docs/dependencies.md: every pinned package, when that version was released, and whether it has been withdrawn.

Asks the package index that pip is configured for (PEP 691, 700 and 792). Exit status 1 where a version was yanked or is gone,
or a project is quarantined. Known vulnerabilities are pip-audit's business; it needs a database that is not always within reach.
"""

import argparse
import json
import re
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from pip._internal.models.index import PyPI

ROOT = Path(__file__).parents[1]
HEAD = """# Dependencies

Made by `make audit` on {day}: the pins of images and set-up (`containers/constraints.txt`), when each version was released and
what the package index says of it. {n} packages, released from {first} to {last}; yanked, quarantined or gone: {bad}.
Where the internet is within reach, `uvx pip-audit --requirement containers/constraints.txt --no-deps --disable-pip` looks for
known vulnerabilities as well.

| package | version | released | the index says |
|---|---|---|---|
"""


def configured_index() -> str:
    """The package index that pip uses here."""
    for name in ("global.index-url", "install.index-url", ":env:.index-url"):
        done = subprocess.run([sys.executable, "-m", "pip", "config", "get", name], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    return PyPI.simple_url


def look_up(index: str, package: str, version: str) -> tuple[str, str, str, str]:
    """Package, version, day of its first file, and what is wrong with it ("" for nothing)."""
    request = urllib.request.Request(
        f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', package).lower()}/",
        headers={"Accept": "application/vnd.pypi.simple.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        about = json.load(answer)
    name = re.compile(rf"[-_.\w]+?-{re.escape(version)}(-|\.tar|\.zip)")
    files = [one for one in about["files"] if name.match(one["filename"])]
    days = sorted(one["upload-time"][:10] for one in files if one.get("upload-time"))
    status = about.get("project-status", {}).get("status", "active")
    faults = ["yanked"] * (bool(files) and all(one.get("yanked") for one in files)) + ["no files"] * (not files)
    faults += [status] * (status != "active")
    return package, version, days[0] if days else "not told", ", ".join(faults)


def main() -> int:
    """Ask for every pin, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", default=configured_index(), help="package index")
    args = parser.parse_args()
    text = (ROOT / "containers" / "constraints.txt").read_text()
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.M)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda pin: look_up(args.index, *pin), pins))
    bad = [f"{package} {version}" for package, version, _, fault in rows if fault not in ("", "archived", "deprecated")]
    days = sorted(day for _, _, day, _ in rows if day != "not told") or ["not told"]
    head = HEAD.format(
        day=datetime.now(UTC).date(), n=len(rows), first=days[0], last=days[-1], bad=", ".join(bad) or "none"
    )
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    (ROOT / "docs" / "dependencies.md").write_text(head + table)
    print(head.split("\n|")[0])
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
