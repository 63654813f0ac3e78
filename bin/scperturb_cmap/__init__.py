"""scPerturb-CMap ranks the drugs that would push a population of cells back.

Disease signatures per cell population, drug-perturbation references, connectivity scores and drug rankings, all meeting in
one object, the signature set (see :mod:`scperturb_cmap.io.signature_set`). Sign convention everywhere: a positive score
mimics the disease, a negative score reverses it, and the best drug has the most negative score.
"""

__version__ = "0.1.0"
