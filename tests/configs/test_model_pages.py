"""The READMEs of the configurations are what ``tools/model_pages.py`` writes."""

import re
import runpy
from pathlib import Path

import pytest
from mindpoint.config import load_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = runpy.run_path(str(ROOT / "tools" / "model_pages.py"))
NUMBERS = re.compile(r"^(\| `(\w+)`) \| ([\d.]+) \| ([\d.]+) \|", re.M)  # of a configuration: millions of parameters, billions of FLOPs


def readme(*folders):
    return ROOT.joinpath("configs", *folders, "README.md").read_text(encoding="utf-8")


def test_every_folder_has_a_page_in_the_list():
    assert sorted(path.name for path in (ROOT / "configs").glob("[!_]*") if path.is_dir()) == sorted(PAGES["TITLES"])
    assert readme() == PAGES["index"]()


@pytest.mark.parametrize("folder", PAGES["TITLES"])
def test_all_but_the_numbers_of_networks(folder, monkeypatch):
    monkeypatch.setitem(PAGES["page"].__globals__, "facts", lambda config: (0, 0))
    written, count = NUMBERS.subn(r"\1 | 0.00 | 0.00 |", readme(folder))
    assert written == PAGES["page"](ROOT / "configs" / folder)
    assert count == len(list((ROOT / "configs" / folder).glob("*.yaml")))


@pytest.mark.slow
@pytest.mark.parametrize("folder, name", [("mobilenet", "quickstart_detection_mobilenetv3"), ("dla34", "quickstart")])
def test_numbers_of_small_networks(folder, name):
    parameters, operations = PAGES["facts"](load_config(name))
    written = {found[2]: (found[3], found[4]) for found in NUMBERS.finditer(readme(folder))}
    assert written[name] == (f"{parameters / 1e6:.2f}", f"{operations / 1e9:.2f}")
