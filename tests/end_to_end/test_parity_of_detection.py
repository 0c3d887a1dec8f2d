"""The comparison with the official object detection, which takes as long as all others together: a file of its own, for another process."""

import pytest
from mindpoint.cli.main import main


@pytest.mark.slow
def test_every_number_of_detection(golden_ctdet, coco_mini, capfd):
    status = main(["parity", "--golden", str(golden_ctdet), "--coco", str(coco_mini)])
    said = capfd.readouterr()
    assert status == 0 and "392 of 392 comparisons pass" in said.out, said.out + said.err
