"""Contrastive training of the dual encoder: seeded, resumable, stopped by compounds it does not learn from."""

import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pytorch_metric_learning import distances, losses
from pytorch_metric_learning.samplers import MPerClassSampler
from pytorch_metric_learning.utils import common_functions
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from scperturb_cmap.embedding.encoder import DualEncoder
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import whole_file

__all__ = [
    "LOSSES",
    "InfoNCE",
    "TrainingSettings",
    "TrainingState",
    "mean_percentile",
    "read_state",
    "train",
    "write_state",
]

log = logging.getLogger(__name__)


class InfoNCE(losses.GenericPairLoss):
    """The value of ``losses.NTXentLoss`` from the matrix of similarities.

    That one lays every positive pair beside every negative pair of the batch, which takes most of the time of a training.

    Parameters
    ----------
    temperature
        What similarities are divided by.
    """

    def __init__(self, temperature: float):
        super().__init__(mat_based_loss=True)
        self.temperature = temperature

    def get_default_distance(self) -> distances.BaseDistance:
        """Compare by cosines."""
        return distances.CosineSimilarity()

    def _compute_loss(self, mat: torch.Tensor, pos_mask: torch.Tensor, neg_mask: torch.Tensor) -> dict:
        mat, pairs = mat / self.temperature, pos_mask.nonzero(as_tuple=True)
        negatives = mat.masked_fill(neg_mask == 0, torch.finfo(mat.dtype).min).logsumexp(dim=1, keepdim=True)
        each = (torch.logaddexp(mat, negatives) - mat)[pairs]
        return {"loss": {"losses": each, "indices": pairs, "reduction_type": "pos_pair"}}


#: Losses by name; all take queries as anchors and perturbations as what they are compared with.
LOSSES: dict[str, Callable] = {
    "infonce": lambda settings: InfoNCE(settings.temperature),
    "supcon": lambda settings: losses.SupConLoss(temperature=settings.temperature),
    "multi_similarity": lambda settings: losses.MultiSimilarityLoss(),
}


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training.

    Parameters
    ----------
    loss
        One of :data:`LOSSES`.
    temperature
        Of InfoNCE and the supervised contrastive loss.
    n_hidden, n_dimensions, shared, gene_dropout
        Of the :class:`~scperturb_cmap.embedding.encoder.DualEncoder`.
    batch_size, per_compound
        Pairs in a batch, and of each compound in it.
    learning_rate, weight_decay
        Of AdamW.
    epochs, patience
        Most epochs, and how many without a better validation end the training.
    seed
        Of everything random.
    """

    loss: str = "infonce"
    temperature: float = 0.1
    n_hidden: int = 256
    n_dimensions: int = 64
    shared: bool = True
    gene_dropout: float = 0.2
    batch_size: int = 256
    per_compound: int = 2
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    epochs: int = 50
    patience: int = 5
    seed: int = 0


@dataclass
class TrainingState:
    """Where a training stands: enough to go on from.

    Parameters
    ----------
    model, optimiser
        State dictionaries.
    best
        State dictionary of the model with the best validation so far.
    epoch, since_best
        Epochs done, and since the best one.
    history
        Mean percentile of the validation after each epoch (0 best, 0.5 chance).
    """

    model: dict
    optimiser: dict
    best: dict
    epoch: int
    since_best: int
    history: list[float]


def mean_percentile(model: DualEncoder, query: np.ndarray, reference: np.ndarray, pairs: pd.DataFrame) -> float:
    """Mean place of the true partner among all reference signatures, over compounds; 0 best, 0.5 chance.

    Ties count half, so an encoder that places everything alike is at chance; without a number for the partner the place is 1.

    Examples
    --------
    >>> from scperturb_cmap.embedding.linear import Block, LinearEncoder
    >>> model = LinearEncoder([Block("plain", np.arange(2), np.arange(2))])
    >>> pairs = pd.DataFrame({"query": [0, 1], "reference": [0, 1], "compound_id": ["a", "b"]})
    >>> mean_percentile(model, np.eye(2), np.eye(2), pairs), mean_percentile(model, np.zeros((2, 2)), np.eye(2), pairs)
    (0.0, 0.25)
    """
    theirs, place = model.encode_perturbation(reference), []
    for start in range(0, len(pairs), 512):  # against a large reference all pairs at once would be gigabytes
        part = pairs.iloc[start : start + 512]
        scores = model.encode_query(query[part["query"]]) @ theirs.T
        place.append(partner_places(scores, part["reference"].to_numpy()))
    place = pd.Series(np.concatenate(place))
    return float(place.groupby(pairs["compound_id"].to_numpy()).mean().mean())


def partner_places(scores: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Share of the reference signatures before the partner of each query; ties count half, not a number comes before.

    Parameters
    ----------
    scores
        Shape (n_queries, n_signatures).
    partners
        Column of each query's partner; without a number for it the place is 1.

    Examples
    --------
    >>> partner_places(np.array([[0.9, 0.1, 0.1, 0.0]]), np.array([1])).tolist()
    [0.375]
    """
    own = scores[np.arange(len(scores)), partners][:, None]
    before = (~(scores <= own)).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2
    return np.where(np.isfinite(own[:, 0]), before / scores.shape[1], 1)


def train(
    query: np.ndarray, reference: np.ndarray, pairs: pd.DataFrame, validation: pd.DataFrame,
    settings: TrainingSettings = TrainingSettings(), *, device: str = "cpu",
    state: TrainingState | None = None, after_epoch: Callable[[TrainingState], None] = lambda _: None,
) -> tuple[DualEncoder, TrainingState]:  # fmt: skip
    """Train one encoder.

    Parameters
    ----------
    query, reference
        Centred signed scores.
    pairs, validation
        :func:`~scperturb_cmap.embedding.pairs.mine_pairs` of compounds to learn from, and of others.
    settings
        See :class:`TrainingSettings`.
    device
        Where to compute; bf16 on a GPU.
    state
        Of a training that was cut off; it goes on as if it had not been.
    after_epoch
        Called with the state after every epoch, to keep it.

    Returns
    -------
    The encoder with the best validation, and the last state.

    Raises
    ------
    InputError
        The training diverged.
    """
    torch.manual_seed(settings.seed)
    sizes = {"n_hidden": settings.n_hidden, "n_dimensions": settings.n_dimensions, "shared": settings.shared}
    model = DualEncoder(query.shape[1], reference.shape[1], gene_dropout=settings.gene_dropout, **sizes).to(device)
    rates = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    optimiser = torch.optim.AdamW(model.parameters(), **rates)
    if state is None:
        start = {name: value.detach().clone() for name, value in model.state_dict().items()}
        state = TrainingState(model.state_dict(), optimiser.state_dict(), start, 0, 0, [])
    else:
        model.load_state_dict(state.model)
        optimiser.load_state_dict(state.optimiser)
    loss_of = LOSSES[settings.loss](settings)
    labels = torch.as_tensor(pd.factorize(pairs["compound_id"], sort=True)[0])
    sides = torch.as_tensor(query, dtype=torch.float32), torch.as_tensor(reference, dtype=torch.float32)
    positions = torch.as_tensor(pairs[["query", "reference"]].to_numpy())
    while state.epoch < settings.epochs and state.since_best < settings.patience:
        model.train()
        total = torch.zeros((), device=device)
        for batch in _batches(labels, settings, state.epoch):
            mine, theirs = (side[positions[batch, n]].to(device) for n, side in enumerate(sides))
            with torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext():
                one, other = model(mine, theirs)
            here = labels[batch].to(device)
            # both directions, so that neither side can fold onto the other's hubs
            loss = loss_of(one.float(), here, ref_emb=other.float(), ref_labels=here)
            loss = loss + loss_of(other.float(), here, ref_emb=one.float(), ref_labels=here)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
        if not torch.isfinite(total):  # looked at once in an epoch: a GPU would wait at every batch
            wrong = f"The training diverged in epoch {state.epoch + 1}: its loss is no number any more."
            raise InputError(Problem("--encoder", settings.loss, wrong, "Choose linear, another loss or another seed."))
        model.eval()
        state.history.append(mean_percentile(model, query, reference, validation))
        state.epoch += 1
        better = state.history[-1] <= min(state.history)
        state.since_best = 0 if better else state.since_best + 1
        # copies: a state dictionary shows the model as it is, and in the end the model becomes the best one
        state.model = {name: value.detach().clone() for name, value in model.state_dict().items()}
        state.optimiser = optimiser.state_dict()
        if better:
            state.best = state.model
        log.info("epoch %d of at most %d: validation %.3f", state.epoch, settings.epochs, state.history[-1])
        after_epoch(state)
    model.load_state_dict(state.best)
    return model.eval(), state


def _batches(labels: torch.Tensor, settings: TrainingSettings, epoch: int) -> list[list[int]]:
    """Batches of one epoch; they and the dropout hang on seed and epoch alone, so that a resumed training is the same."""
    seed = settings.seed * 100_003 + epoch
    torch.manual_seed(seed)
    kept = common_functions.NUMPY_RANDOM  # the sampler draws from this
    common_functions.NUMPY_RANDOM = np.random.RandomState(seed % 2**32)
    try:
        per, n_compounds = settings.per_compound, len(labels.unique())
        size = min(settings.batch_size, per * n_compounds) // per * per
        order = list(MPerClassSampler(labels, per, batch_size=size, length_before_new_iter=max(len(labels), size)))
    finally:
        common_functions.NUMPY_RANDOM = kept
    return [order[at : at + size] for at in range(0, len(order), size)]


def write_state(state: TrainingState, path: Path) -> None:
    """Keep a training: tensors as safetensors, numbers as JSON among their metadata; the old one stays until this is whole."""
    tensors = {f"model/{name}": value for name, value in state.model.items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    for number, moments in state.optimiser["state"].items():
        tensors |= {f"optimiser/{number}/{name}": value for name, value in moments.items()}
    # a shared trunk stands twice in a state dictionary, and safetensors refuses memory that two names share
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    numbers = {"epoch": state.epoch, "since_best": state.since_best, "history": state.history}
    numbers["groups"] = state.optimiser["param_groups"]
    with whole_file(path) as partial:
        save_file(tensors, partial, {"state": json.dumps(numbers)})


def read_state(path: Path) -> TrainingState | None:
    """A training that was cut off; None where there is none, or where the file is damaged, which the log tells."""
    if not Path(path).exists():
        return None
    try:
        return _state(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError):
        log.warning("%s is damaged: the training starts anew", path)
        return None


def _state(path: Path) -> TrainingState:
    with safe_open(path, "pt") as file:
        numbers = json.loads(file.metadata()["state"])
    parts: dict = {"model": {}, "best": {}, "optimiser": {}}
    for name, value in load_file(path).items():
        where, rest = name.split("/", 1)
        if where == "optimiser":
            number, moment = rest.split("/")
            parts[where].setdefault(int(number), {})[moment] = value
        else:
            parts[where][rest] = value
    optimiser = {"state": parts["optimiser"], "param_groups": numbers.pop("groups")}
    return TrainingState(parts["model"], optimiser, parts["best"], **numbers)
