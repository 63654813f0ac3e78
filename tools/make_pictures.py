#!/usr/bin/env python3
"""Make the pictures of README and docs/output.md from a report: make_pictures.py REPORT FOLDER."""

import runpy
import sys
from io import BytesIO
from pathlib import Path

#: Picture -> (the first page of this name; the part of it that is at the top).
PICTURES = {
    "summary": ("index.html", ""),
    "population": ("population*.html", ""),
    "validation": ("validation.html", "figure.plot"),
    "embedding": ("embedding*.html", "figure.plot"),
    "tables": ("tables.html", ""),
}
SIZE = {"width": 1280, "height": 800}
MOST_BYTES = 150_000


def small_png(picture: bytes) -> bytes:
    """A picture of 256 colours, and if need be fewer pixels, until it is small."""
    from PIL import Image

    image = Image.open(BytesIO(picture)).convert("RGB")
    while True:
        packed = BytesIO()
        # by the widest difference: by the most pixels, the few of a coloured mark would turn brown
        image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        if packed.tell() <= MOST_BYTES:
            return packed.getvalue()
        image = image.resize((image.width * 9 // 10, image.height * 9 // 10), Image.Resampling.LANCZOS)


def main() -> int:
    """Take the pictures; 1 where the report is not there."""
    if len(sys.argv) != 3 or not (Path(sys.argv[1]) / "index.html").is_file():
        print(f"{__doc__}\nREPORT is a folder with index.html: make demo writes one.", file=sys.stderr)
        return 1
    report, folder = (Path(name).resolve() for name in sys.argv[1:])
    check = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "browser" / "check_pages.py"))
    folder.mkdir(parents=True, exist_ok=True)
    with check["browser"]() as chromium:
        for name, (pattern, part) in PICTURES.items():
            if not (path := min(report.glob(pattern), default=None)):
                print(f"{name}: the report has no page {pattern}, so there is no picture of it.", file=sys.stderr)
                continue
            page = chromium.new_page(viewport=SIZE)
            page.goto(path.as_uri())
            page.wait_for_timeout(1000)  # figures draw themselves
            if part:
                page.locator(part).first.evaluate(
                    "place => scrollTo(0, place.getBoundingClientRect().top + scrollY - 12)"
                )
            picture = small_png(page.screenshot())
            (folder / f"{name}.png").write_bytes(picture)
            print(f"{name}.png: {path.name}, {len(picture) / 1e3:.0f} kB")
            page.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
