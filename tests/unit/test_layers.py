"""The layers of the library, and its style."""

import ast
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


def test_compiled_functions_call_none_of_another_file(root):
    """numba's cache on disk looks at a function's own file alone: a change of the other would go unnoticed."""
    compiled = 0
    for path in (root / "bin" / "scperturb_cmap").rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scperturb_cmap")
            for alias in node.names
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and "njit" in ast.unparse(ast.Module(function.decorator_list, [])):
                compiled += 1
                used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                assert not used & imported, f"{path.name}: {function.name} uses {used & imported}"
    assert compiled > 10
