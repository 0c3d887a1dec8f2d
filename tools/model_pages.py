"""Write the README of each model's folder in ``configs`` and the list of models: recipes, parameters, FLOPs, columns for results."""

import sys
from pathlib import Path

from mindpoint.benchmark.counts import network_facts
from mindpoint.config import Config, load_config
from mindpoint.model.network import build_network
from mindpoint.runtime import device

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
TITLES = {
    "dla34": "DLA-34",
    "hourglass": "Hourglass-104",
    "hrnet": "HRNet",
    "mobilenet": "MobileNetV3",
    "resnet": "ResNet",
}
COLUMNS = "model|params (M)|FLOPs (G)|image size|images per step|epochs|learning rate|cards|ms/step|img/s|AP|recipe|weights".split("|")
NOTE = """Parameters and FLOPs are computed for one image of the given size, and tested. FLOPs are the multiplications and additions of
convolutions and dense layers. These models were not trained on COCO or run on an Ascend, so cards, ms/step, img/s, AP and weights are
empty. `mindpoint benchmark train NAME` measures your machine."""


def facts(config: Config) -> tuple:
    """Return the numbers of parameters and of FLOPs for one image of the configuration's size.

    The number of multiply-adds of a convolutional network is ``a * area + b``, where ``b`` is for layers after pooling to one pixel. So two
    small images determine the number for images of any size.
    """
    height, width = config.input_spec.size
    device.setup("CPU", 0)
    network = build_network(config)
    small, large = (network_facts(network, (side, side)) for side in (128, 256))
    slope = (large["multiply_adds"] - small["multiply_adds"]) / (256**2 - 128**2)
    return small["parameters"], 2 * (small["multiply_adds"] + slope * (height * width - 128**2))


def page(folder: Path) -> str:
    """Return the README of a model's folder."""
    lines = [f"# {TITLES[folder.name]}", ""]
    rows, known = [], {}
    for path in sorted(folder.glob("*.yaml")):
        config = load_config(str(path))
        network = repr(
            (config.data["model"]["backbone"], config.data["model"].get("neck"), config.data["model"]["heads"], config.input_spec.size)
        )
        if network not in known:
            known[network] = facts(config)
        parameters, operations = known[network]
        said = [line[1:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        lines += [f"- `{path.stem}`: {' '.join(said)}"]
        train = config.section("train")
        images = config.data["data"]["train"]
        size = "x".join(map(str, config.input_spec.size))
        batch = images.get("total_batch_size") or images.get("batch_size")
        cells = [
            f"`{path.stem}`",
            f"{parameters / 1e6:.2f}",
            f"{operations / 1e9:.2f}",
            size,
            batch,
            train.epochs,
            f"{config.data['optimizer']['lr']:g}",
        ]
        rows.append([*map(str, cells), "", "", "", "", f"[yaml]({path.name})", ""])
    table = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows)]
    return "\n".join([*lines, "", *table, "", NOTE, ""])


def index() -> str:
    """Return the README of ``configs``."""
    lines = ["# Shipped configurations", "", "One folder per model. Commands accept the names alone: `mindpoint train quickstart`.", ""]
    for name, title in TITLES.items():
        lines.append(f"- [{title}]({name}/README.md): " + ", ".join(f"`{path.stem}`" for path in sorted((CONFIGS / name).glob("*.yaml"))))
    return "\n".join([*lines, "", "`_base_` has the files that they inherit from.", ""])


def main() -> int:
    for name in TITLES:
        (CONFIGS / name / "README.md").write_text(page(CONFIGS / name), encoding="utf-8")
    (CONFIGS / "README.md").write_text(index(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
