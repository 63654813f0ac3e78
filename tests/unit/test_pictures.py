"""The pictures of README are small and keep the colours of marks; README and the docs show what is there."""

import re
import runpy
import subprocess
import sys
from io import BytesIO

import numpy as np
from PIL import Image


def test_pictures_are_small_and_keep_their_colours(root):
    tool = runpy.run_path(str(root / "tools" / "make_pictures.py"))
    noise = np.random.default_rng(0).integers(0, 255, (300, 530, 3), dtype=np.uint8)
    page = np.full((600, 900, 3), 255, dtype=np.uint8)
    page[:, :400] = np.linspace(0, 255, 400, dtype=np.uint8)[None, :, None]
    page[5:9, 600:604] = 0xB3, 0x58, 0x06  # a small orange mark
    for picture in (noise, page):
        raw = BytesIO()
        Image.fromarray(picture).save(raw, "PNG")
        small = tool["small_png"](raw.getvalue())
        assert len(small) <= tool["MOST_BYTES"]
    red, _, blue = Image.open(BytesIO(small)).convert("RGB").getpixel((601, 6))
    assert red - blue > 120


def test_a_report_that_is_not_there_is_named(root, tmp_path):
    command = [sys.executable, root / "tools" / "make_pictures.py", tmp_path, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "make demo" in done.stderr and "Traceback" not in done.stderr


def test_the_pictures_that_are_shown_are_there_and_small(root):
    for page in (root / "README.md", root / "docs" / "output.md"):
        shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())
        assert shown and all((page.parent / name).stat().st_size <= 150_000 for name in shown)
