"""Pearson's correlation of paired values, for the scores that are made of one."""

import torch

__all__ = ["ROUNDING", "correlation"]

#: Deviations from the mean this small beside the values are rounding: the values are constant.
ROUNDING = 1e-12


def correlation(x: torch.Tensor, z: torch.Tensor, chosen: torch.Tensor | None = None) -> torch.Tensor:
    """Pearson's correlation along the last axis.

    Parameters
    ----------
    x, z
        float64, shapes that broadcast to (n_signatures, n_genes).
    chosen
        Which pairs count, shape (n_signatures, n_genes); all by default.

    Returns
    -------
    float64, shape (n_signatures,); NaN where either side is constant or nothing is chosen.

    Examples
    --------
    >>> x, z = torch.tensor([[1.0, 2, 3, 9]]).double(), torch.tensor([[2.0, 4, 6, -50]]).double()
    >>> round(correlation(x, z, torch.tensor([[True, True, True, False]])).item(), 9)
    1.0
    """
    weight = torch.ones_like(z) if chosen is None else chosen.to(z.dtype)
    n = weight.sum(dim=-1, keepdim=True)
    centred, sizes = [], []
    for values in (x, z):
        values = values * weight
        off = (values - values.sum(dim=-1, keepdim=True) / n) * weight
        size = off.norm(dim=-1)
        sizes.append(torch.where(size > ROUNDING * values.norm(dim=-1), size, torch.nan))
        centred.append(off)
    return (centred[0] * centred[1]).sum(dim=-1) / (sizes[0] * sizes[1])
