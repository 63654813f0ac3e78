#!/usr/bin/env python3
"""Write docs/parameters.md from nextflow_schema.json and the columns in docs/output.md from the library.

With --check it only says whether they are up to date.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bin"))


def parameter_page(schema: dict) -> str:
    """The page as Markdown: one table per group of parameters."""
    lines = [
        "# Parameters",
        "",
        "Made from `nextflow_schema.json` by `tools/make_docs.py`; change the schema, not this page.",
        "",
    ]
    for group in schema["$defs"].values():
        lines += [f"## {group['title']}", "", "| parameter | what it is | type | default |", "|---|---|---|---|"]
        for name, about in group["properties"].items():
            kind = " \\| ".join(f"`{choice}`" for choice in about["enum"]) if "enum" in about else about["type"]
            kind += "".join(
                f", {word} {about[key]}"
                for key, word in (("minimum", "at least"), ("maximum", "at most"))
                if key in about
            )
            default = (
                f"`{json.dumps(about['default']).strip(chr(34))}`"
                if "default" in about
                else ("needed" if name in group.get("required", []) else "none")
            )
            lines.append(f"| `--{name}` | {about['description']} | {kind} | {default} |")
        lines.append("")
    return "\n".join(lines)


def output_page(text: str) -> str:
    """The page with the columns of every table that is marked ``<!-- columns of KIND -->``."""
    from scperturb_cmap.io.meanings import markdown

    mark = r"(<!-- columns of (\w+) -->)\n(?:\|.*\n)*"
    return re.sub(mark, lambda found: f"{found[1]}\n{markdown(found[2])}\n", text)


def main() -> int:
    """Write or compare; 1 where a page is out of date."""
    output = ROOT / "docs" / "output.md"
    pages = {
        ROOT / "docs" / "parameters.md": parameter_page(json.loads((ROOT / "nextflow_schema.json").read_text())),
        output: output_page(output.read_text()),
    }
    stale = [page for page, text in pages.items() if not page.is_file() or page.read_text() != text]
    if "--check" not in sys.argv:
        for page in stale:
            page.write_text(pages[page])
        return 0
    for page in stale:
        print(f"docs/{page.name} is out of date: run tools/make_docs.py", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
