"""Names that identify things, and thresholds that several stages share."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

__all__ = ["FDR", "compound_key", "matches"]

#: Acids, bases and water that make a compound a salt or hydrate. Acetates and phosphates are not among them: often they are
#: esters, compounds of their own.
_SALTS = frozenset(
    "hcl hydrochloride dihydrochloride trihydrochloride monohydrochloride hydrobromide dihydrobromide hydroiodide chloride "
    "bromide iodide mesylate dimesylate methanesulfonate tosylate ditosylate besylate esylate camsylate edisylate isethionate "
    "napsylate maleate dimaleate fumarate hemifumarate tartrate bitartrate hemitartrate citrate dicitrate sulfate sulphate "
    "bisulfate hemisulfate disulfate succinate hemisuccinate malate lactate oxalate pamoate embonate hyclate nitrate dinitrate "
    "xinafoate trifluoroacetate tfa sodium disodium trisodium potassium dipotassium calcium hemicalcium magnesium "
    "hemimagnesium meglumine tromethamine trometamol arginine lysine hydrate monohydrate dihydrate trihydrate hemihydrate "
    "sesquihydrate pentahydrate anhydrous salt".split()
)

#: What is left of an inorganic salt without its acid is no drug.
_IONS = frozenset(
    "lithium zinc ammonium ferric ferrous iron cobalt copper silver gold barium aluminum aluminium strontium".split()
)

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
    """
    words = re.sub(r"[\s_\-]+(?!\))", "-", str(name).casefold().strip()).split("-")
    kept = list(words)
    while len(kept) > 1 and kept[-1].strip("()[],") in _SALTS:
        kept.pop()
    parent = not (len(kept) == 1 and kept[0].strip("()[],") in _IONS | _SALTS | {""})
    return "-".join(kept if parent else words)


def matches(name: str, pattern: str, there: Sequence[str]) -> bool:
    """Whether a population is meant by a name or pattern.

    Examples
    --------
    >>> matches("B [naive]", "B [naive]", ["B [naive]", "B n"]), matches("B n", "B [naive]", ["B [naive]", "B n"])
    (True, False)
    """
    return name == pattern if pattern in there else fnmatchcase(name, pattern)
