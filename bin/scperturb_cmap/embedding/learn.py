"""From signature sets of references to a checkpoint: an input layer for each kind of query, settings by validation compounds."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.cells import FEWEST_SHARED, CellSource, fit_cells
from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.encoder import DualEncoder, Ensemble
from scperturb_cmap.embedding.inputs import SHAPES, Centring, is_gene_sets, on_genes, signed_scores
from scperturb_cmap.embedding.linear import Basis, LinearEncoder, LinearSettings, fit_dual
from scperturb_cmap.embedding.pairs import mine_pairs
from scperturb_cmap.embedding.profiles import fit_profiles
from scperturb_cmap.embedding.splits import compound_folds
from scperturb_cmap.embedding.training import TrainingSettings, TrainingState, mean_percentile, train
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import of_a_compound

__all__ = ["FEWEST_PAIRED", "SEARCH", "WIDE_SEARCH", "WIDE_SEARCH_OF_NETWORKS", "learn"]

log = logging.getLogger(__name__)

#: With fewer compounds on both platforms there is nothing to learn a map from.
FEWEST_PAIRED = 50

#: Settings of the linear encoder that validation compounds choose from, ...
SEARCH = tuple(LinearSettings(200, n, penalty) for n in (80, 120) for penalty in (1.0, 3.0))

#: ... with ``search`` ...
WIDE_SEARCH = tuple(
    LinearSettings(*one) for one in product((100, 200, 300), (80, 120, 160), (0.3, 1.0, 3.0, 10.0), (0.25, 0.5, 1.0))
)

#: ... and what is changed of a network's settings then, by its loss: a training takes minutes, so nothing is tried twice.
WIDE_SEARCH_OF_NETWORKS = {
    loss: tuple(
        {"gene_dropout": dropout, "n_dimensions": dimensions} | temperature
        for temperature, dropout, dimensions in product(temperatures, (0.2, 0.5), (64, 128))
    )
    for loss, temperatures in (
        *((loss, tuple({"temperature": value} for value in (0.05, 0.1, 0.2))) for loss in ("infonce", "supcon")),
        ("multi_similarity", ({},)),  # has no temperature
    )
}

_TRAINING = TrainingSettings()


def learn(
    target: ad.AnnData, sources: Sequence[ad.AnnData], *, encoder: str = "linear", search: bool = False, members: int = 1,
    training: TrainingSettings = _TRAINING, device: str = "cpu", state: Callable[[int], TrainingState | None] = lambda _: None,
    after_epoch: Callable[[int, TrainingState], None] = lambda _, __: None, like: Checkpoint | None = None,
) -> tuple[Checkpoint, pd.DataFrame]:  # fmt: skip
    """Fit the input layers of a space.

    Full profiles are placed as the target's own signatures (:func:`~scperturb_cmap.embedding.profiles.fit_profiles`). Gene sets
    are placed by a map learned from compounds that a source of gene sets shares with the target; without enough of them there
    is no such layer, unless the target is of gene sets itself. Single cells get a layer of their own where sources of single
    cells show that it places them better (:func:`~scperturb_cmap.embedding.cells.fit_cells`).

    Parameters
    ----------
    target
        Signature set of the perturbations that will be searched; obs["compound_id"] of one identity over all sets.
    sources
        Signature sets of other platforms; those of gene sets (effect "rank" or "set") and of single cells (``uns["assay"]``) are
        learned from.
    encoder
        "linear", or one of :data:`~scperturb_cmap.embedding.training.LOSSES`: a network trained with it.
    search
        Whether validation compounds choose among :data:`WIDE_SEARCH` or :data:`WIDE_SEARCH_OF_NETWORKS`.
    members
        Networks with seeds that follow each other, whose cosines are averaged.
    training, device
        Of :func:`~scperturb_cmap.embedding.training.train`.
    state, after_epoch
        By the number of a network: the state of its training that was cut off, and what takes the state after every epoch.
        With ``search`` only the chosen settings are kept so.
    like
        A space whose layers, blocks and settings are taken without a choice: what else differs is due to the data alone.

    Returns
    -------
    checkpoint
        Its ``about`` holds settings, splits, the validation, and warnings.
    table
        Settings tried for each layer, and the mean percentile of validation compounds by each (0 best, 0.5 chance).

    Raises
    ------
    InputError
        The target is too small.
    """
    if target.n_obs < FEWEST_PAIRED:
        wrong = f"{target.n_obs} signatures of {_name(target)} are too few to learn a space from; {FEWEST_PAIRED} are needed."
        remedy = "Give it the role search, or leave embedding out of --methods."
        raise InputError(Problem("references", "role both", wrong, remedy))
    genes, target_is_sets = target.var_names.astype(str).tolist(), is_gene_sets(str(target.uns["effect"]))
    reference = signed_scores(np.asarray(target.X), SHAPES["sets" if target_is_sets else "profile"])
    labels = _labels(target.obs)
    blocks = [block.name for block in like.encoders["profile"].blocks] if like else ()
    profile, centring, tried = fit_profiles(reference, labels, sets=target_is_sets, seed=training.seed, names=blocks)
    encoders, query_genes = {"profile": profile}, {"profile": genes}
    tables, warnings = [tried.assign(layer="profile")], []
    about = {"seed": training.seed, "encoder": encoder, "n_signatures_learned_from": target.n_obs, "warnings": warnings}
    about["learned_from"] = [_name(target)]
    sets = [one for one in sources if is_gene_sets(str(one.uns["effect"]))]
    if not tried.empty:
        about["profile_blocks"] = [block.name for block in profile.blocks]
        about["profile_validation_mean_percentile"] = float(tried["mean_percentile"].min())
    if target_is_sets:
        warnings.append("The reference is of gene sets: profiles are placed by few genes there.")
    no_cells = target_is_sets or (like and "cells" not in like.encoders)
    cells = [one for one in sources if _is_cells(one) and not no_cells]
    for one in [one for one in cells if one.var_names.isin(genes).sum() < len(genes) / 2]:
        warnings.append(f"{_name(one)} measures fewer than half of the target's genes, so it was not learned from.")
        cells = [other for other in cells if other is not one]
    if cells:
        scores = [signed_scores(on_genes(np.asarray(one.X), one.var_names, genes)) for one in cells]
        given = [CellSource(one, _labels(of.obs)) for one, of in zip(scores, cells, strict=True)]
        layer, tried = fit_cells(reference, labels, given, profile, seed=training.seed, surely=bool(like))
        tables.append(tried.assign(layer="cells"))
        if layer:
            encoders["cells"], query_genes["cells"] = layer, genes
            about["learned_from"] += [_name(one) for one in cells]
            if not tried.empty:
                about["cells_validation_mean_percentile"] = float(tried["mean_percentile"].min())
        elif tried.empty:
            few = f"Single cells and target share fewer than {FEWEST_SHARED} compounds"
            warnings.append(f"{few}: populations are placed as the reference's own profiles.")
        else:
            warnings.append("Populations are placed as the reference's own profiles, which places single cells better.")
    if len(sets) + len(cells) < len(sources):
        warnings.append("Full profiles of other references were not learned from: maps from these did not help.")
    if sets:
        names = sorted(set().union(*(one.var_names.astype(str) for one in sets)))
        values = np.vstack([on_genes(np.asarray(one.X), one.var_names, names) for one in sets])
        obs = pd.concat([one.obs for one in sets], ignore_index=True)
        compounds, both = (
            tuple(side[name].to_numpy(str) for side in (_labels(obs), labels)) for name in ("compound_id", "cell_line")
        )
        sides = _Sides(signed_scores(values, SHAPES["sets"]), reference, both, compounds, target_is_sets)
        del values
        pairs = mine_pairs(*(pd.DataFrame({"compound_id": side}) for side in compounds), seed=training.seed)
        paired = sorted(pairs["compound_id"].unique())
        about["n_paired_compounds"] = len(paired)
        if len(paired) >= FEWEST_PAIRED:
            folds = compound_folds(paired, 5, training.seed)
            held = (pairs["compound_id"].map(folds) == 0).to_numpy()
            about["validation_compounds"] = sorted(pairs.loc[held, "compound_id"].unique())
            if encoder == "linear":
                choices = [LinearSettings(**like.about["settings"])] if like else WIDE_SEARCH if search else SEARCH
                encoders["sets"], table, value, settings = _linear(sides, pairs, held, (names, genes), choices)
            else:
                # in use the mean of all references is taken off, of which the validation compounds are a small part
                _, theirs = sides.less_means(about["validation_compounds"])
                fold = sides.query, theirs, *_parts(pairs, held)
                settings, table = replace(training, loss=encoder), pd.DataFrame()
                if like:
                    settings = TrainingSettings(**{k: v for k, v in like.about["settings"].items() if k != "members"})
                elif search:
                    settings, table = _search_networks(fold, settings, device)
                encoders["sets"], last = _networks(fold, settings, members, device, state, after_epoch)
                table = pd.concat([table, last])
                value = mean_percentile(encoders["sets"], *fold[:2], fold[3])
            query_genes["sets"] = names
            tables.append(table.assign(layer="sets"))
            about["learned_from"] += [_name(one) for one in sets]
            about["validation_mean_percentile"] = value
            about["settings"] = asdict(settings) | ({} if encoder == "linear" else {"members": members})
        else:
            shared = f"Gene sets and target share {len(paired)} compounds, {FEWEST_PAIRED} are needed"
            warnings.append(f"{shared}: no map of gene sets was learned.")
    if "sets" not in encoders and target_is_sets:
        encoders["sets"], query_genes["sets"] = profile, genes
    return Checkpoint(encoders, query_genes, genes, centring, about), pd.concat(tables, ignore_index=True)


def _text(column: pd.Series) -> pd.Series:
    """A column as text; what is missing is ""."""
    return column.astype(object).where(column.notna(), "").astype(str)


def _labels(obs: pd.DataFrame) -> pd.DataFrame:
    """What pairs within a reference are made of; controls and genetic perturbations are of no compound."""
    out = pd.DataFrame({name: _text(obs[name]) for name in ("compound_id", "cell_line", "batch")})
    return out.assign(compound_id=out["compound_id"].where(of_a_compound(obs), ""))


def _is_cells(signatures: ad.AnnData) -> bool:
    """Whether they are profiles measured on single cells."""
    return signatures.uns.get("assay") == "single_cell" and not is_gene_sets(str(signatures.uns["effect"]))


def _name(signatures: ad.AnnData) -> str:
    return str(signatures.obs["reference"].iloc[0]) if signatures.n_obs else "the reference"


@dataclass(frozen=True)
class _Sides:
    """Signed scores of gene sets and of the target, before any mean is taken off, and the compounds of both."""

    query: np.ndarray
    reference: np.ndarray
    lines: tuple[np.ndarray, np.ndarray]
    compounds: tuple[np.ndarray, np.ndarray]
    target_is_sets: bool

    def rows(self, but: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
        """Positions on both sides of the signatures of other compounds than these."""
        mine, theirs = (np.flatnonzero(~np.isin(side, list(but))) for side in self.compounds)
        return mine, theirs

    def less_means(self, but: Collection[str] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Directions of the queries' means, and the target less its means; to means these compounds do not add."""
        mine, theirs = self.rows(but)
        common = Centring.fit(self.query[mine], self.lines[0][mine]).common_directions()
        centring = Centring.fit(self.reference[theirs], self.lines[1][theirs], sets=self.target_is_sets)
        return common, centring.of_perturbations(self.reference, self.lines[1])


def _parts(pairs: pd.DataFrame, held: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs to learn from, and of validation compounds."""
    return pairs[~held].reset_index(drop=True), pairs[held].reset_index(drop=True)


def _networks(
    fold: tuple, settings: TrainingSettings, members: int, device: str, state: Callable, after_epoch: Callable
) -> tuple[DualEncoder | Ensemble, pd.DataFrame]:
    """One network, or several with other seeds; and their validation after every epoch."""
    networks, tables = [], []
    for number in range(members):
        mine = replace(settings, seed=settings.seed + number)
        network, last = train(
            *fold, mine, device=device, state=state(number), after_epoch=lambda now, n=number: after_epoch(n, now)
        )
        networks.append(network)
        epochs = range(1, len(last.history) + 1)
        tables.append(pd.DataFrame({**asdict(mine), "epoch": epochs, "mean_percentile": last.history}))
    return networks[0] if members == 1 else Ensemble(networks), pd.concat(tables, ignore_index=True)


def _search_networks(fold: tuple, settings: TrainingSettings, device: str) -> tuple[TrainingSettings, pd.DataFrame]:
    """The settings with the best validation, and all that were tried."""
    tried = []
    for changes in WIDE_SEARCH_OF_NETWORKS[settings.loss]:
        mine = replace(settings, **changes)
        try:
            history = train(*fold, mine, device=device)[1].history
        except InputError as error:  # settings that diverge are no choice, but no end of the search
            log.warning("%s", error)
            history = [1.0]
        tried.append(asdict(mine) | {"epoch": len(history), "mean_percentile": min(history)})
    table = pd.DataFrame(tried)
    best = WIDE_SEARCH_OF_NETWORKS[settings.loss][int(table["mean_percentile"].argmin())]
    log.info("validation compounds chose %s: %.3f", best, table["mean_percentile"].min())
    return replace(settings, **best), table


def _linear(
    sides: _Sides, pairs: pd.DataFrame, held: np.ndarray, genes: tuple[list[str], list[str]],
    choices: Sequence[LinearSettings],
) -> tuple[LinearEncoder, pd.DataFrame, float, LinearSettings]:  # fmt: skip
    """The encoder with the best settings on validation compounds, fitted again on all; the table; its best place; the best.

    While settings are chosen nothing sees the validation compounds: neither maps nor means, components and whitening.
    """
    both = np.intersect1d(*genes)
    shared = tuple(pd.Index(side).get_indexer(both) for side in genes) if len(both) else None

    def fitter(
        query: np.ndarray,
        reference: np.ndarray,
        common: np.ndarray,
        rows: pd.DataFrame,
        sizes: Sequence[LinearSettings],
    ) -> Callable:
        # no mean is taken off a client's query, so the maps do not see the directions of the means
        basis = Basis.fit(query, reference, max(s.n_query for s in sizes), max(s.n_reference for s in sizes), common)
        given = tuple(rows[column].to_numpy() for column in ("query", "reference", "weight"))
        return lambda settings: fit_dual(query, reference, given, settings, shared, basis)

    def on_all(settings: LinearSettings) -> LinearEncoder:
        common, reference = sides.less_means()
        return fitter(sides.query, reference, common, pairs, [settings])(settings)

    if len(choices) == 1:
        return on_all(choices[0]), pd.DataFrame(), float("nan"), choices[0]
    learned, tested = _parts(pairs, held)
    unseen = set(tested["compound_id"])
    (common, reference), (mine, theirs) = sides.less_means(unseen), sides.rows(unseen)
    there = {
        "query": np.searchsorted(mine, learned["query"]),
        "reference": np.searchsorted(theirs, learned["reference"]),
    }
    fit = fitter(sides.query[mine], reference[theirs], common, learned.assign(**there), choices)
    tried = [
        {**asdict(settings), "mean_percentile": mean_percentile(fit(settings), sides.query, reference, tested)}
        for settings in choices
    ]
    del reference, fit
    table = pd.DataFrame(tried)
    best, value = choices[int(table["mean_percentile"].argmin())], float(table["mean_percentile"].min())
    log.info("validation compounds chose %s: %.3f", best, value)
    return on_all(best), table, value, best
