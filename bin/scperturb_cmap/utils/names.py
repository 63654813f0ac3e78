"""Names that identify things, and thresholds that several stages share."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import pandas as pd

__all__ = [
    "ALL_CELLS",
    "FDR",
    "GENETIC",
    "VEHICLE",
    "are_whole",
    "compound_ids",
    "compound_key",
    "matches",
    "of_a_compound",
]

#: Acids, bases and water that make a compound a salt or hydrate. Acetates, phosphates, sulfates, succinates and nitrates are
#: not among them, nor amino acids: often they are esters, or compounds of their own.
_SALTS = frozenset(
    "hcl hydrochloride dihydrochloride trihydrochloride monohydrochloride hydrobromide dihydrobromide hydroiodide chloride "
    "bromide iodide mesylate dimesylate methanesulfonate tosylate ditosylate besylate esylate camsylate edisylate isethionate "
    "napsylate maleate dimaleate fumarate hemifumarate tartrate bitartrate hemitartrate citrate dicitrate hemisulfate malate "
    "lactate oxalate pamoate embonate hyclate xinafoate trifluoroacetate tfa sodium disodium trisodium potassium dipotassium "
    "calcium hemicalcium magnesium hemimagnesium meglumine tromethamine trometamol hydrate monohydrate dihydrate trihydrate "
    "hemihydrate sesquihydrate pentahydrate anhydrous salt".split()
)

#: What is left of an inorganic salt without its acid is no drug.
_IONS = frozenset(
    "lithium zinc ammonium ferric ferrous iron cobalt copper silver gold barium aluminum aluminium strontium".split()
)

#: Name of the population of every cell, the bulk-like control beside the others.
ALL_CELLS = "all cells"

#: Type of perturbation of vehicles, as LINCS names it.
VEHICLE = "ctl_vehicle"

#: Types of perturbation that change a gene, as LINCS names them.
GENETIC = ("trt_sh", "trt_sh.cgs", "trt_xpr", "trt_oe")

#: A gene with a lower false discovery rate counts as changed.
FDR = 0.05


def compound_key(name: str) -> str:
    """Normalised compound name: the identity of a compound.

    Case, spaces, hyphens and underscores are spelling, and a salt or hydrate at the end is how a compound was bought; signs
    in brackets are neither, since (+)-x and (-)-x differ. A name that is a salt throughout stays as it is.

    Examples
    --------
    >>> compound_key("Valproic  Acid"), compound_key("valproic_acid"), compound_key("(-)-JQ1")
    ('valproic-acid', 'valproic-acid', '(-)-jq1')
    >>> compound_key("Imatinib mesylate"), compound_key("AMD-070 (hydrochloride)"), compound_key("Lithium Citrate")
    ('imatinib', 'amd-070', 'lithium-citrate')
    >>> compound_key("L-arginine"), compound_key("Dimethyl fumarate")
    ('l-arginine', 'dimethyl-fumarate')
    """
    words = re.sub(r"[\s_\-]+(?!\))", "-", str(name).casefold().strip()).split("-")
    kept = list(words)
    while len(kept) > 1 and kept[-1].strip("()[],") in _SALTS:
        kept.pop()
    last = kept[-1].strip("()[],")
    # dimethyl fumarate is an ester, and L is no drug
    stump = last.endswith("yl") or (len(kept) == 1 and (len(last) < 3 or last in _IONS | _SALTS))
    return "-".join(words if stump else kept)


def are_whole(column: pd.Series) -> bool:
    """Whether a column of floats holds whole numbers alone, all of them exact: ids that became 1.0 because one is missing.

    Examples
    --------
    >>> are_whole(pd.Series([1.0, None])), are_whole(pd.Series([0.5])), are_whole(pd.Series([1e19])), are_whole(pd.Series([1]))
    (True, False, False, False)
    """
    known = column.dropna()
    return pd.api.types.is_float_dtype(column) and bool(((known % 1 == 0) & (known.abs() < 2**53)).all())


def compound_ids(names: pd.Series, known: Mapping[str, str] | None = None) -> pd.Series:
    """Identity of each compound of a table: its normalised name, or the one that this is another name of.

    Examples
    --------
    >>> compound_ids(pd.Series(["Imatinib mesylate", "B"]), {"imatinib": "sti-571"}).tolist()
    ['sti-571', 'b']
    """
    keys = names.map(compound_key)
    return keys.map(lambda key: known.get(key, key)) if known else keys


def of_a_compound(obs: pd.DataFrame, *, genetic: bool = False) -> pd.Series:
    """Which signatures are whole and those of a compound with a name: of no control (ctl_...), and of no changed gene.

    Parameters
    ----------
    obs
        compound_id, pert_type, status.
    genetic
        Whether signatures of changed genes are wanted, instead of all others.

    Examples
    --------
    >>> kinds = ["trt_cp", "trt_cp", "ctl_untrt", "trt_oe"]
    >>> of_a_compound(pd.DataFrame({"compound_id": ["a", "", "b", "c"], "pert_type": kinds, "status": "ok"})).tolist()
    [True, False, False, False]
    """
    kind = obs["pert_type"].astype(str)
    named = (obs["status"].astype(str) == "ok") & (obs["compound_id"].astype(str) != "")
    return named & ~kind.str.startswith("ctl_") & (kind.isin(GENETIC) == genetic)


def matches(name: str, pattern: str, there: Sequence[str]) -> bool:
    """Whether a population is meant by a name or pattern.

    Examples
    --------
    >>> matches("B [naive]", "B [naive]", ["B [naive]", "B n"]), matches("B n", "B [naive]", ["B [naive]", "B n"])
    (True, False)
    """
    return name == pattern if pattern in there else fnmatchcase(name, pattern)
