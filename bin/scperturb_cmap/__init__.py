"""scPerturb-CMap ranks the drugs that would push a population of cells back.

Disease signatures per cell population, drug-perturbation references, connectivity scores and drug rankings, all meeting in
one object, the signature set (see :mod:`scperturb_cmap.io.signature_set`). Sign convention everywhere: a positive score
mimics the disease, a negative score reverses it, and the best drug has the most negative score.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["connectivity"]


def __dir__() -> list[str]:
    """Names that are there once they are asked for stand among the others."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is behind a name when it is asked for: torch takes seconds, and most stages do without."""
    if name == "connectivity":
        return import_module("scperturb_cmap.scoring.direct").connectivity
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
