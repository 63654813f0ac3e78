#!/usr/bin/env python3
"""Write docs/parameters.md from nextflow_schema.json; with --check only say whether it is up to date."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


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


def main() -> int:
    """Write or compare; 1 where the page is out of date."""
    page = ROOT / "docs" / "parameters.md"
    text = parameter_page(json.loads((ROOT / "nextflow_schema.json").read_text()))
    if "--check" not in sys.argv:
        page.write_text(text)
    elif not page.is_file() or page.read_text() != text:
        print("docs/parameters.md is out of date: run tools/make_docs.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
