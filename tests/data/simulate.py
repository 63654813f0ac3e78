"""Pseudobulk counts with a known effect."""

import numpy as np
import pandas as pd


def simulate(seed: int, effect: float, n_donors: int = 4, n_genes: int = 300, paired: bool = False):
    """Pseudobulk counts of two populations; the first 20 genes of B rise in cases, the next 20 fall."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(3, 1, n_genes)
    rows, counts = [], []
    for population in "BT":
        donor_effects = rng.normal(0, 0.2, (n_donors, n_genes))
        for arm in ("case", "control"):
            for n in range(n_donors):
                shift = donor_effects[n].copy() if paired else rng.normal(0, 0.2, n_genes)
                if arm == "case" and population == "B":
                    shift[:20] += effect
                    shift[20:40] -= effect
                donor = f"{n}" if paired else f"{arm}{n}"
                rows.append((population, donor, arm, "ill" if arm == "case" else "well", 50))
                counts.append(rng.negative_binomial(10, 10 / (10 + level * np.exp(shift) * rng.uniform(0.5, 2))))
    table = pd.DataFrame(rows, columns=["population", "donor", "arm", "condition", "n_cells"])
    return np.array(counts, dtype=float), table
