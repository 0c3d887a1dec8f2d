"""One small network that has learnt nothing, and one evaluation of it, for all tests here."""

from pathlib import Path
from typing import NamedTuple

import pytest
from mindpoint.cli.main import main
from mindpoint.config import Config, load_config

CONFIG = str(Path(__file__).parent / "tiny.yaml")


class Evaluated(NamedTuple):
    out: Path
    report: Path
    printed: str


@pytest.fixture(scope="session")
def tiny() -> Config:
    return load_config(CONFIG)


@pytest.fixture(scope="session")
def tiny_model(tiny, tmp_path_factory) -> Path:
    from mindpoint.model import checkpoint
    from mindpoint.model.network import build_network
    from mindpoint.runtime import device

    device.setup("CPU", tiny.seed)
    path = tmp_path_factory.mktemp("model") / "tiny.ckpt"
    checkpoint.save(path, build_network(tiny), {"config": tiny.to_yaml()})
    return path


@pytest.fixture(scope="session")
def evaluated(tiny_model, coco_mini, tmp_path_factory) -> Evaluated:
    """On coco-mini, with the truth in place of some heads so that there is something to see."""
    folder = tmp_path_factory.mktemp("evaluated")
    arguments = ["eval", str(tiny_model), "--coco", str(coco_mini), "--oracle", "hm,wh,hps,reg", "--out", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda *words, **_: lines.append(" ".join(map(str, words))))
        assert main([*arguments, "--report", str(folder / "report"), "--report-images", "30"]) == 0
    return Evaluated(folder / "out", folder / "report" / "index.html", "\n".join(lines))
