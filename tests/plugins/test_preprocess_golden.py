from mindpoint_parity import preprocess as parity


def test_geometry_of_the_reference(golden):
    rows = parity.check(golden)
    assert len(rows) >= 24
    assert [row for row in rows if not row.passed] == []
