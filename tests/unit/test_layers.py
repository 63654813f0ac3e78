"""The layers of the library, and its style."""

import subprocess
import sys
from pathlib import Path


def test_layers_are_kept(root):
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_style(root):
    done = subprocess.run(
        [Path(sys.executable).parent / "ruff", "check", "--quiet", "."], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_files_stay_readable(root):
    long = {path.name: n for path in (root / "bin").rglob("*.py") if (n := len(path.read_text().splitlines())) > 310}
    assert not long
