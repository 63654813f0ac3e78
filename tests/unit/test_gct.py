"""GCT: values are cmapPy's, metadata stay text, and damage gives a sentence."""

import warnings

import numpy as np
import pytest
from cmapPy.pandasGEXpress.parse import parse

from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.utils.errors import InputError


def test_gct_metadata_is_text(tmp_path):
    path = tmp_path / "a.gct"
    path.write_text(
        '#1.3\n3\t2\t1\t2\nid\tsymbol\t01\t2.0\n"pert_id"\tna\t007\t1e5\ndose\tna\t10 µM\t-666\n'
        "007\tA\t0\t3\n1e5\tB\t1\t4\nNA\tC\t2\t-666\n"
    )
    matrix = GeneMatrix(path, "gct")
    assert (matrix.genes.tolist(), matrix.signatures.tolist()) == (["007", "1e5", "NA"], ["01", "2.0"])
    assert matrix.metadata.to_dict("list") == {
        "sig_id": ["01", "2.0"], "pert_id": ["007", "1e5"], "dose": ["10 µM", ""],
    }  # fmt: skip
    np.testing.assert_array_equal(matrix.read(np.array([1])), [[3, 4, np.nan]])
    path.write_text("#1.2\n1\t2\nNAME\tDescription\ta\tb\n1\tx\t5\t6\n")
    assert GeneMatrix(path, "gct").metadata["sig_id"].tolist() == ["a", "b"]


def test_only_the_beginning_of_a_gct_is_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "a.gct"
    path.write_text("id\ta\n1\t2\n")
    monkeypatch.setattr(type(path), "read_bytes", lambda self: pytest.fail("the whole file is read"))
    with pytest.raises(InputError, match="A GCT file begins with #1.2"):
        GeneMatrix(path, "gct")


@pytest.mark.parametrize(
    "text",
    [
        "#1.3\n1\t2\t0\t1\nid\ta\tb\nx\t1\n5\t1\t2\n",
        "#1.3\n2\t1\t0\t0\nid\ta\n1\t5\n",
        "#1.3\n1\t1\t0\t0\nid\ta\n1\tmuch\n",
        "#1.3\n",
        "#1.3\nfew\tmany\t0\t0\nid\ta\n",
        '#1.3\n1\t1\t0\t0\nid\t"a\tb"\n1\t5\n',
        "#1.3\n1\t1\t0\t-1\nid\ta\n1\t5\n",
        "#1.3\n1\t1\t0\nid\ta\n1\t5\n",
        "#1.3\n1\t0\t2\t0\nid\tx\ty\n1\n",
    ],
)
def test_damaged_gct_files(tmp_path, text):
    (tmp_path / "a.gct").write_text(text)
    with pytest.raises(InputError, match=r"a\.gct: It does not parse as GCT"):
        GeneMatrix(tmp_path / "a.gct", "gct")


def test_gct_that_cmappy_reads(tmp_path):
    """Numbers in every spelling: the same bits as by cmapPy."""
    rng = np.random.default_rng(0)
    numbers = [f"{x:{form}}" for x in rng.standard_normal(500) for form in (".17g", ".3f", "e")]
    numbers += ["NA", "nan", "-666", "NaN", "", "#N/A", "-inf", "1e300", "1e-300", '"1.5"', " 2 ", "None", "7"]
    numbers.remove("")  # only ours
    path, n = tmp_path / "a.gct", len(numbers) // 4
    rows = [f"g{at}\tx\t" + "\t".join(numbers[4 * at : 4 * at + 4]) for at in range(n)]
    path.write_text("\r\n".join([f"#1.2\t\t\r\n{n}\t4", "NAME\tDescription\ta\tb\tc\td", *rows, "", ""]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = parse(str(path)).data_df.to_numpy(np.float32).T
    found = GeneMatrix(path, "gct").read(np.arange(4))
    np.testing.assert_array_equal(found, expected)
    assert np.isnan(found).sum() == 6 and np.isinf(found).sum() == 2


def test_gct_that_cmappy_refuses(tmp_path):
    """A byte order mark, Latin-1, stray quotes and empty fields do no harm."""
    path = tmp_path / "a.gct"
    text = '#1.3\n2\t2\t1\t2\nid\tsymbol\ts"1\ts2\npert_dose\t\t10 µM\t"3 µM\ntape\t\t5"\t\n1\t"A\t0.5\t\n2\tB"\t\t-2\n'
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        for line_end in ("\n", "\r\n", "\r"):
            path.write_bytes(text.replace("\n", line_end).encode(encoding))
            matrix = GeneMatrix(path, "gct")
            assert (matrix.genes.tolist(), matrix.signatures.tolist()) == (["1", "2"], ['s"1', "s2"])
            assert matrix.metadata["pert_dose"].tolist() == ["10 µM", '"3 µM']
            assert matrix.metadata["tape"].tolist() == ['5"', ""]
            np.testing.assert_array_equal(matrix.read(np.array([0, 1])), [[0.5, np.nan], [np.nan, -2]])
