#!/usr/bin/env python3
"""Write containers/<image>/environment.yml, for the profiles conda and wave, from the pins of the images.

A file names every package with its version, so that it stands alone: Wave sends it away without the pins beside it.
"""

import subprocess
from pathlib import Path

CONTAINERS = Path(__file__).parents[1] / "containers"
REQUIREMENTS = {"core": ["core"], "torch": ["core", "torch"], "report": ["core", "report"]}
HEAD = """\
# Made from the pins by tools/make_conda.py (make lock); change requirements.txt, not this file.
name: scperturb-cmap-{image}
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - procps-ng # Nextflow asks ps what a task uses
  - pip
  - pip:
"""


def pins(image: str) -> list[str]:
    """What the image's requirements come to under the constraints, on Linux: ``["anndata==0.12.19", ...]``."""
    command = ["uv", "pip", "compile", "--quiet", "--python-version", "3.11", "--python-platform", "linux"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--constraints", CONTAINERS / "constraints.txt"]
    command += [CONTAINERS / name / "requirements.txt" for name in REQUIREMENTS[image]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")


for image in REQUIREMENTS:
    packages = "".join(f"      - {pin}\n" for pin in pins(image) if pin)
    (CONTAINERS / image / "environment.yml").write_text(HEAD.format(image=image) + packages)
