"""A trained space on disk: tensors as safetensors, everything else as JSON beside them. Loading runs no code of the file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from scperturb_cmap.embedding.encoder import DualEncoder, Ensemble
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import Block, LinearEncoder
from scperturb_cmap.io.json_files import read_json
from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import whole_file
from scperturb_cmap.utils.provenance import write_json

__all__ = ["Checkpoint", "read_checkpoint", "sign_test", "write_checkpoint"]

Encoder = LinearEncoder | DualEncoder | Ensemble

_KIND = "scPerturb-CMap embedding 3"
_REMEDY = "Give the <name>.embedding.json that TRAIN_EMBEDDING wrote, with the .safetensors beside it."


@dataclass(frozen=True)
class Checkpoint:
    """Everything that is needed to place signatures in the space.

    Parameters
    ----------
    encoders
        Kind of query ("sets", "profile", "cells") -> its encoder: an input layer for each.
    query_genes
        Kind of query -> gene keys, in the order of the encoder's input.
    perturbation_genes
        Gene keys of the perturbation side.
    centring
        Mean signed scores of the training reference by cell line, which are taken off perturbations before encoding.
    about
        What a reader must know: hashes of the training data, code digest, settings, splits, sign test, licence.
    """

    encoders: dict[str, Encoder]
    query_genes: dict[str, list[str]]
    perturbation_genes: list[str]
    centring: Centring
    about: dict = field(default_factory=dict)

    def lacking(self, genes: Iterable[str], fewest: float = 0.5) -> str:
        """Why signatures on these genes have no place in the space: they lack too many of its genes; "" if they have one."""
        there, n = len(set(self.perturbation_genes) & set(genes)), len(self.perturbation_genes)
        return f"the reference measures {there} of the space's {n} genes, half are needed" if there < fewest * n else ""


def sign_test(encoders: dict[str, Encoder], n_genes: dict[str, tuple[int, int]], seed: int = 0) -> dict:
    """Largest abs(f(-x) + f(x)) of random signatures, by encoder and side; 0 where an encoder is odd.

    Examples
    --------
    >>> sign_test({"sets": LinearEncoder([Block("plain", np.array([0]), np.array([0]))])}, {"sets": (1, 1)})
    {'sets': {'query': 0.0, 'perturbation': 0.0}}
    """
    random, out = np.random.default_rng(seed), {}
    for kind, encoder in encoders.items():
        sides = zip(("query", "perturbation"), n_genes[kind], strict=True)
        out[kind] = {}
        for side, n in sides:
            x, encode = random.normal(size=(8, n)).astype(np.float32), getattr(encoder, f"encode_{side}")
            out[kind][side] = float(abs(encode(x) + encode(-x)).max())
    return out


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> str:
    """Write ``path`` (.embedding.json) and the tensors beside it.

    Returns
    -------
    SHA-256 of the tensors, the same for the same training on a CPU.

    Raises
    ------
    ValueError
        An encoder is not odd (a fault of the program).
    """
    path = Path(path)
    sizes = {kind: (len(genes), len(checkpoint.perturbation_genes)) for kind, genes in checkpoint.query_genes.items()}
    odd = sign_test(checkpoint.encoders, sizes)
    if max(value for sides in odd.values() for value in sides.values()) > 1e-5:
        raise ValueError(f"The encoder is not odd: {odd}.")
    lines, means = zip(*sorted(checkpoint.centring.means.items()), strict=True)
    tensors, layout = {"perturbation_means": np.stack(means).astype(np.float32)}, {}
    for kind, encoder in checkpoint.encoders.items():
        if isinstance(encoder, LinearEncoder):
            layout[kind] = {"form": "linear", "blocks": [[b.name, float(b.weight)] for b in encoder.blocks]}
            for block in encoder.blocks:
                for side in ("query", "perturbation"):
                    matrix = getattr(block, side)
                    tensors[f"{kind}/{block.name}/{side}"] = matrix.astype(np.int64 if matrix.ndim == 1 else np.float32)
        else:
            networks = encoder.members if isinstance(encoder, Ensemble) else [encoder]
            one = networks[0]
            hidden, dimensions = one.query.inner[0].out_features, one.query.inner[1][1].out_features
            shared = one.query.inner[1] is one.perturbation.inner[1]
            layout[kind] = {"form": "torch", "n_hidden": hidden, "n_dimensions": dimensions, "shared": shared}
            layout[kind]["members"] = len(networks)
            for number, network in enumerate(networks):
                state = network.state_dict()
                tensors |= {f"{kind}/{number}/{name}": value.cpu().numpy() for name, value in state.items()}
    content = save({name: np.ascontiguousarray(value) for name, value in tensors.items()})
    with whole_file(_beside(path)) as partial:
        partial.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    genes = {"query_genes": checkpoint.query_genes, "perturbation_genes": checkpoint.perturbation_genes}
    layout = {
        "encoders": layout,
        "perturbation_cell_lines": lines,
        "perturbation_set_size": checkpoint.centring.set_size,
    }
    about = {"kind": _KIND, "tensors_sha256": digest, "genes_sha256": _digest(genes), **layout}
    about |= genes | {"sign_test": odd, "about": checkpoint.about}
    write_json(about, path)
    return digest


def read_checkpoint(path: Path, name: str | None = None) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path
        The .embedding.json file.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        A file is missing, damaged, changed, or no checkpoint.
    """
    path, name = Path(path), name or Path(path).name
    require_data(path, name)  # before the other: who names a web page should hear of that
    if path.suffix == ".safetensors":
        raise InputError(Problem(name, "", "These are the tensors of a checkpoint, not its description.", _REMEDY))
    require_data(_beside(path), _beside(path).name)
    about = read_json(path, ("kind", "tensors_sha256", "genes_sha256", "encoders", "about"), remedy=_REMEDY, name=name)
    if str(about["kind"]).startswith(_KIND[:-1]) and about["kind"] != _KIND:
        wrong = "It was written by another version of scPerturb-CMap, which places signatures otherwise."
        raise InputError(Problem(name, "kind", wrong, "Leave --embedding out: the run learns a space again."))
    try:
        if about["kind"] != _KIND or not isinstance(about["about"], dict) or not about["encoders"]:
            raise ValueError
        content = hashlib.sha256(_beside(path).read_bytes()).hexdigest()
        if content != about["tensors_sha256"]:
            wrong = f"{_beside(path).name} is not the file it was written with."
            raise InputError(Problem(name, "tensors_sha256", wrong, "Copy both files again, or train again."))
        if _digest({key: about[key] for key in ("query_genes", "perturbation_genes")}) != about["genes_sha256"]:
            wrong = "Its genes are not those it was written with."
            raise InputError(Problem(name, "genes_sha256", wrong, "Copy both files again, or train again."))
        tensors, further = load_file(_beside(path)), about["about"]
        n_reference, lines = len(about["perturbation_genes"]), about["perturbation_cell_lines"]
        means = dict(zip(lines, tensors["perturbation_means"], strict=True))
        if "" not in means or any(mean.shape != (n_reference,) for mean in means.values()) or len(means) < len(lines):
            raise ValueError
        size = float(about["perturbation_set_size"])
        if not all(np.isfinite(t).all() for t in tensors.values()) or not 0 <= size < np.inf:
            raise ValueError
        encoders = {
            kind: _build(kind, layout, tensors, len(about["query_genes"][kind]), n_reference)
            for kind, layout in about["encoders"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, SafetensorError):
        raise InputError(Problem(name, "", "It does not describe an embedding.", _REMEDY)) from None
    genes = about["query_genes"], about["perturbation_genes"]
    return Checkpoint(encoders, *genes, Centring(means, size), further)


def _digest(genes: dict) -> str:
    return hashlib.sha256(json.dumps(genes, sort_keys=True).encode()).hexdigest()


def _beside(path: Path) -> Path:
    """The tensors of a checkpoint."""
    return path.with_name(path.name.removesuffix(".json") + ".safetensors")


def _build(kind: str, layout: dict, tensors: dict, n_query: int, n_reference: int) -> Encoder:
    """One encoder; a matrix that does not fit the genes is refused."""
    mine = {key.removeprefix(f"{kind}/"): value for key, value in tensors.items() if key.startswith(f"{kind}/")}
    if layout["form"] == "linear":
        blocks = []
        for name, weight in layout["blocks"]:
            sides = mine[f"{name}/query"], mine[f"{name}/perturbation"]
            for side, n in zip(sides, (n_query, n_reference), strict=True):
                if (side.max(initial=-1) >= n or side.min(initial=0) < 0) if side.ndim == 1 else len(side) != n:
                    raise ValueError
                if side.ndim > 2 or side.dtype.kind != ("i" if side.ndim == 1 else "f"):
                    raise ValueError
            if len({side.shape[side.ndim - 1] for side in sides}) > 1 or not 0 < float(weight) < np.inf:
                raise ValueError
            blocks.append(Block(name, *sides, float(weight)))
        if not blocks:
            raise ValueError
        return LinearEncoder(blocks)
    if layout["members"] < 1:
        raise ValueError
    options = {key: layout[key] for key in ("n_hidden", "n_dimensions", "shared")}
    networks = []
    for number in range(layout["members"]):
        state = {name.split("/", 1)[1]: value for name, value in mine.items() if name.startswith(f"{number}/")}
        network = DualEncoder(n_query, n_reference, **options)
        network.load_state_dict({name: torch.as_tensor(value) for name, value in state.items()})
        networks.append(network.eval())
    return networks[0] if len(networks) == 1 else Ensemble(networks)
