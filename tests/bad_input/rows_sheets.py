"""Sample sheets and reference sheets."""

from damages import HTML, both, cell, content, replaced

from bad_input import Row

SAMPLE, REFERENCE = "sample sheet", "reference sheet"
HEADER = "dataset,path,cell_type_key,condition_key,case,control,donor_key"
SAMPLES, REFERENCES = "samples.csv", "references.csv"


def sample(name: str, column: str, value: str, *said: str, **more: str) -> Row:
    return Row(SAMPLE, "check", name, cell(SAMPLES, column, value, **more), said)


def reference(name: str, column: str, value: str, *said: str, **more: str) -> Row:
    return Row(REFERENCE, "check", name, cell(REFERENCES, column, value, **more), said)


def sheet(name: str, text: str | bytes, *said: str) -> Row:
    return Row(SAMPLE, "check", name, content(SAMPLES, text), said)


_UNSAFE = ("samples.csv, line 2, column 'dataset'", "is not a safe name for files", "Use up to 64 letters")

ROWS = [
    sample("a lost file", "path", "lost.h5ad", "samples.csv, line 2, column 'path': There is no file 'lost.h5ad'"),
    sample("no path", "path", "", "samples.csv, line 2, column 'path': The value is empty"),
    sample("a folder as file", "path", ".", "line 2, column 'path': There is no file '.'"),
    sample("a path longer than any", "path", "x/" * 3000, "line 2, column 'path': There is no file 'x/x/"),
    sample("a home folder", "path", "~/cells.h5ad", "There is no file '~/cells.h5ad'", "relative to the sheet"),
    sample("a path with a quote", "path", 'a"b.h5ad', "holds a double quote", "Rename the file"),
    sample("a name with a space", "dataset", "my data", *_UNSAFE),
    sample("a name that leads out", "dataset", "../up", *_UNSAFE),
    sample("a name that is a command", "dataset", "$(touch hacked)", *_UNSAFE),
    sample("a name with a quote", "dataset", "a'b", *_UNSAFE),
    sample("a name with a double quote", "dataset", 'a"b', *_UNSAFE),
    sample("a name that is an option", "dataset", "-rf", *_UNSAFE),
    sample("a name that is too long", "dataset", "x" * 65, *_UNSAFE),
    sample("a name with an accent", "dataset", "données", *_UNSAFE),
    sample("a name with a line break", "dataset", "a\nb", "column 'dataset'", "has a line break", "a quote may be missing"),
    sample("a name with HTML", "dataset", "<script>alert(1)</script>", *_UNSAFE),
    sample("the name of a reference", "dataset", "demo_l1000", "'demo_l1000' is also a data set", "another name"),
    sample("an unknown case", "case", "ill", "No cell has the case label 'ill' (labels:", "'healthy'", "Correct the column 'case'"),
    sample("an unknown control", "control", "Healthy", "No cell has the control label 'Healthy'", "'healthy'"),
    sample("one label in both arms", "control", "disease", "line 2, column 'control'", "Case and control are both 'disease'"),
    sample("an unknown column of types", "cell_type_key", "celltype", "obs column 'celltype': It is not there", "Correct 'cell_type_key'"),
    sample("an unknown column of donors", "donor_key", "patient", "cells.h5ad, obs column 'patient': It is not there"),
    sample("types as donors", "donor_key", "cell_type", "line 2, column 'donor_key': It is the column of 'cell_type_key' too"),
    sample("conditions as donors", "donor_key", "condition", "line 2, column 'donor_key': It is the column of 'condition_key' too"),
    sample("no donors", "donor_key", "", "line 2, column 'donor_key': The value is empty"),
    sample("an unknown population", "populations", "B cells; Hepatocytes", "There is no population 'Hepatocytes'", "'B cells'"),
    sample("an unknown layer", "layer", "raw_counts", "layer 'raw_counts': It is not in the file (layers: counts)"),
    sample("a layer that leads out", "layer", "../obs", "layer '../obs'", "Correct the column 'layer'"),
    sample("an unknown covariate", "covariates", "age", "cells.h5ad, obs column 'age': It is not there"),
    sample("donors as covariate", "covariates", "donor", "obs column 'donor': It cannot be a covariate under this name"),
    sample("types as covariate", "covariates", "sex; cell_type", "obs column 'cell_type': It cannot be a covariate"),
    sample("another species", "organism", "mouse", "column 'organism' of the sample sheet: It is 'mouse'", "--orthologs"),
    sample("a down set of cells", "path_down", "down.gmt", "column 'path_down': Single cells have none"),
    sheet("empty", "", "samples.csv: The file is empty"),
    sheet("white space only", " \n\t\n", "samples.csv: The file is empty"),
    sheet("columns missing", "dataset,path\n", "column 'case': The column is missing", "column 'donor_key': The column is missing"),
    sheet("no rows", f"{HEADER}\n", "samples.csv: The sheet has a header but no rows", "Add at least one row"),
    sheet("an unknown column", f"{HEADER},Colour\na,b,c,d,e,f,g,h\n", "column 'Colour': The column is not known"),
    sheet("a misspelt column", f"{HEADER},populatons\na,b,c,d,e,f,g,h\n", "column 'populatons'", "did you mean populations?"),
    sheet("too many fields", f"{HEADER}\na,b,c,d,e,f,g,h,i,j\n", "does not parse as a table", "line 2 has 10 fields, the header 7"),
    sheet("too few fields", f"{HEADER}\na,b,c\n", "does not parse as a table", "line 2 has 3 fields, the header 7"),
    sheet("an open quote", f'{HEADER}\na,"b,c,d,e,f,g\n', "samples.csv: It does not parse", "a quote or line break is out of place"),
    sheet("semicolons", HEADER.replace(",", ";") + "\na;b;c;d;e;f;g\n", "column 'dataset': The column is missing"),
    sheet("one column twice", f"{HEADER},case\na,b,c,d,e,f,g,h\n", "column 'case': The name stands more than once in the header"),
    sheet("UTF-16", f"{HEADER}\n".encode("utf-16"), "samples.csv: It is not a UTF-8 text table", "Save it as comma- or tab-separated"),
    sheet("a web page", HTML, "samples.csv: It is an HTML page", "Download it again"),
    sheet("a workbook", b"PK\x03\x04" + bytes(60), "samples.csv: It is an archive or a workbook", "as text"),
    sheet("a NUL in the middle", f"{HEADER}\na,b\0,c,d,e,f,g\n", "samples.csv: It is not a UTF-8 text table"),
    sheet("two rows of one name", f"{HEADER}\n" + "demo,cells.h5ad,cell_type,condition,disease,healthy,donor\n" * 2,
          "samples.csv, lines 2, 3, column 'dataset': The name 'demo' stands more than once"),  # fmt: skip
    Row(SAMPLE, "check", "cells called a table", both(cell(SAMPLES, "path", "cells.csv"), content("cells.csv", b"\x89HDF\r\n\x1a\n" + bytes(99))),
        ("cells.csv: It is not a UTF-8 text table",)),  # fmt: skip
    reference("an unknown format", "format", "xlsx", "references.csv, line 2, column 'format'", "'xlsx' is not known. Choose one of gctx, gct"),
    reference("an unknown role", "role", "find", "line 2, column 'role'", "'find' is not known. Choose one of search, train, both"),
    reference("an unknown assay", "assay", "scRNA", "line 2, column 'assay'", "'scRNA' is not known. Choose one of bulk, single_cell"),
    reference("nothing to search", "role", "train", "references.csv, column 'role': No reference is there to be searched"),
    reference("a lost file", "path", "lost.gctx", "references.csv, line 2, column 'path': There is no file 'lost.gctx'"),
    reference("a lost siginfo", "siginfo", "lost.txt", "line 2, column 'siginfo': There is no file 'lost.txt'"),
    reference("another table as siginfo", "siginfo", "genes.tsv", "genes.tsv, column 'sig_id': None of the columns", "Give the siginfo table"),
    reference("GCTX called GCT", "format", "gct", "reference.gctx, line 1: A GCT file begins with #1.2", "correct 'format'"),
    reference("no siginfo", "siginfo", "", "reference.gctx, column 'compound': None of the columns", "Give the siginfo table"),
    reference("an unknown level", "level", "6", "column 'level'", "'6' is not known. Choose one of 3, 4, 5"),
    reference("a level of cells", "level", "4", "column 'level': The format 'cells' has none", format="cells", path="atlas.h5ad", siginfo=""),
    reference("a control of profiles", "control", "DMSO", "column 'control': The format 'gctx' has none"),
    reference("sets without down sets", "path", "up.gmt", "column 'path_down': The value is empty. Name the GMT file with the down sets",
              format="gmt", siginfo=""),  # fmt: skip
    reference("a table without siginfo", "path", "plain.tsv", "column 'siginfo': The value is empty. Name the siginfo table", format="table", siginfo=""),
    reference("a filter of no sense", "filter", "tas>high; magic", "column 'filter': 'tas>high' is not understood", "'magic' is not understood"),
    reference("a filter without its column", "filter", "cc_q75>=0.2", "siginfo.txt, metadata: The filter 'cc_q75>=0.2' needs cc_q75"),
    reference("a filter that keeps nothing", "filter", "tas>=0.99", "None of 60 is left after the filter 'tas>=0.99'", "tas: 0."),
    reference("a filter by a line that is not there", "filter", "cell_line=HELA", "is left after the filter 'cell_line=hela'", "'DEMO_A'"),
    reference("a name that leads out", "reference", "..", "line 2, column 'reference'", "is not a safe name for files"),
    Row(REFERENCE, "check", "no table at all", content(REFERENCES, b"\x00\x01\x02"), ("references.csv: It is not a UTF-8 text table",)),
    Row(REFERENCE, "check", "the other sheet", replaced(REFERENCES, "reference,path,format,role", "dataset,path,case,control"),
        ("references.csv, column 'reference': The column is missing", "column 'format': The column is missing")),  # fmt: skip
]  # fmt: skip
