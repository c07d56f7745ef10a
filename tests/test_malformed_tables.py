"""Malformed tables of the paper's numbers: each is one line of bad input."""

import pytest

from groundvts.errors import BadInput
from groundvts.report.published import read_table

HEAD = "table,benchmark,split,method,density,mIoU,protocol,note"
GOOD = "Table 1,b,test,m,1.0,5.5,,"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header with a row below it"),
        (HEAD, "no header with a row below it"),
        (f"{HEAD.replace('method,', '')}\n{GOOD}", "line 1: no column `method`"),
        (f"{HEAD.replace(',note', '')}\n{GOOD}", "line 1: no column `note`"),
        (f"{HEAD.replace('mIoU', 'mIOU')}\n{GOOD}", "line 1: column `mIOU` is neither"),
        (f"{HEAD.replace('density', 'mIoU')}\n{GOOD}", "line 1: column `mIoU` stands twice"),
        (f"{HEAD}\n{GOOD}\n\n{GOOD.replace('5.5', '5,5')}", "line 4: 9 cells under 8 columns"),
        (f"{HEAD}\n{GOOD}\n{GOOD.replace('5.5', '-')}", "line 3: mIoU is '-', not a number"),
        (f"{HEAD}\n{GOOD.replace('5.5', 'nan')}", "line 2: mIoU is 'nan', not a number"),
        (f"{HEAD}\n{GOOD.replace('1.0', '1e999')}", "line 2: density is '1e999', not a number"),
        (f"{HEAD}\n{GOOD.replace(',m,', ',,')}", "line 2: table or method is empty"),
        (f'{HEAD}\n"Table 1,b\n', "line 2: not CSV in UTF-8"),
        (f"{HEAD}\n{GOOD}é".encode("latin-1"), "not CSV in UTF-8"),
    ],
)
def test_a_malformed_file_is_one_line_of_bad_input(tmp_path, text, said):
    (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadInput) as caught:
        read_table(tmp_path, "t")
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_table_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"t\.csv: cannot be read \(No such file"):
        read_table(tmp_path, "t")


def test_a_dash_is_an_empty_cell(tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEAD}\n{GOOD}\n{GOOD.replace('5.5', '')}\n")
    table = read_table(tmp_path, "t")
    assert table.mIoU.isna().tolist() == [False, True]
    assert table.density.tolist() == [1.0, 1.0]
    assert table.protocol.tolist() == ["", ""]
