"""Lookup of parts: names, conflicts, wrong kinds, broken parts, parts of this process. Distributions are metadata folders on sys.path."""

import pytest
from mindpoint.contracts.hook import Hook
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindpoint.registry import PluginConflict, PluginImportError, UnknownPlugin, WrongKind, installed, kinds, normalize, registry
from mindpoint.registry.doctor import examine

pytestmark = pytest.mark.entry_points
WHERE = "configs/a.yaml:7: model.backbone.type"


@pytest.fixture
def distribute(tmp_path, monkeypatch):
    """``distribute(name, version, {group: lines}, {file: text})`` makes a distribution that this process sees."""

    def make(name, version, groups, files=()):
        root = tmp_path / name
        info = root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("".join(f"[mindpoint.{group}]\n{lines}\n" for group, lines in groups.items()))
        for file, text in dict(files).items():
            (root / file).write_text(text)
        monkeypatch.syspath_prepend(str(root))
        installed.points.cache_clear()

    installed.points.cache_clear()
    yield make
    installed.points.cache_clear()


def message(error, call, *arguments):
    with pytest.raises(error) as caught:
        call(*arguments)
    assert isinstance(caught.value, ConfigError)
    return str(caught.value)


def test_every_kind_is_reached_by_plural_singular_and_group():
    for kind in kinds():
        assert registry(kind.plural) is registry(kind.singular) is registry(f"mindpoint.{kind.plural}")
    with pytest.raises(ValueError, match="backbones, necks"):
        registry("backbons")


def test_lookup_ignores_case_and_separators_and_keeps_the_authors_spelling(distribute):
    distribute("spelling", "1.0", {"hooks": "My.Long_hook-Name = spelling_hook:X"})
    for name in ("My.Long_hook-Name", "mylonghookname", "MY LONG-HOOK.NAME", "spelling:my_long_hook_name"):
        assert registry("hooks").find(name).name == "My.Long_hook-Name"
    assert "My.Long_hook-Name" in registry("hooks").names()
    assert normalize(" D-L_A.3 4") == "dla34"


def test_nothing_is_imported_before_it_is_asked_for(distribute):
    distribute("lazy", "1.0", {"backbones": "Lazy = lazy_backbone:Lazy"}, {"lazy_backbone.py": "raise RuntimeError('imported')"})
    backbones = registry("backbones")
    assert "Lazy" in backbones.names() and any(e.name == "Lazy" for e in backbones.entries())
    assert backbones.find("lazy").value == "lazy_backbone:Lazy"


def test_unknown_name_suggests_the_nearest_with_its_distribution(distribute):
    distribute("near", "1.0", {"commands": "exporting = x:y"})
    text = message(UnknownPlugin, registry("commands").find, "exportin", "here")
    assert text == "here: unknown command 'exportin'; did you mean 'exporting' (near)?"
    text = message(UnknownPlugin, registry("backbones").find, "DLA43", WHERE)
    assert text.startswith(f"{WHERE}: unknown backbone 'DLA43'; did you mean 'DLA' (mindpoint), 'DLA34' (mindpoint)")


def test_unknown_name_without_a_near_one_lists_what_there_is():
    text = message(UnknownPlugin, registry("backbones").find, "Quark")
    names = ("DLA", "DLA34", "Hourglass104", "HRNet", "MobileNetV2", "MobileNetV3", "ResNet")
    listed = ", ".join(f"'{name}' (mindpoint)" for name in names)
    assert text.startswith(f"unknown backbone 'Quark'; installed: {listed}") and "is its distribution missing?" in text


def test_name_of_another_kind():
    assert message(WrongKind, registry("backbones").find, "dla_up", WHERE) == f"{WHERE}: 'DLAUp' is a neck, not a backbone"


def test_two_distributions_with_one_name_conflict_only_when_it_is_used(distribute):
    distribute("first-dist", "1.0", {"hooks": "Twin = twin_a:A", "necks": "Single = twin_a:B"}, {"twin_a.py": "class A: pass"})
    distribute("second-dist", "2.5", {"hooks": "twin = twin_b:A"})
    hooks = registry("hooks")
    assert registry("necks").find("Single").distribution == "first-dist"
    text = message(PluginConflict, hooks.find, "Twin", WHERE)
    assert text.startswith(f"{WHERE}: hook 'Twin' is declared by ")
    for part in ("first-dist 1.0 (twin_a:A)", "second-dist 2.5 (twin_b:A)", "'first-dist:Twin'", "'second-dist:twin'"):
        assert part in text
    assert hooks.find("first_dist:Twin").value == "twin_a:A"
    assert hooks.find("second-dist:TWIN").value == "twin_b:A"


def test_text_before_a_colon_is_a_distribution_first_and_a_module_otherwise(distribute):
    distribute("colon", "1.0", {"hooks": "Hook = colon.inner:Declared"}, {"colon.py": "class Hook: pass"})
    assert registry("hooks").find("colon:Hook").value == "colon.inner:Declared"
    assert registry("backbones").find("colon:Hook").value == "colon:Hook"  # it declares no backbones
    assert registry("hooks").get("mindpoint.contracts.hook:Hook").__name__ == "Hook"
    assert message(UnknownPlugin, registry("hooks").find, "colon:Hok") == "unknown hook 'Hok'; did you mean 'Hook' (colon)?"
    text = message(UnknownPlugin, registry("hooks").find, "no.such:Thing", WHERE)
    assert text == f"{WHERE}: 'no.such:Thing': 'no.such' is neither an installed distribution with hooks nor a module"


def test_failing_import_names_part_and_distribution_and_keeps_the_cause(distribute):
    distribute("acme-rt", "1.0", {"backbones": "RT = acme_rt_module:RT"}, {"acme_rt_module.py": "raise RuntimeError('needs driver 7')"})
    with pytest.raises(PluginImportError) as caught:
        registry("backbones").get("rt", WHERE)
    assert str(caught.value) == f"{WHERE}: backbone 'RT' of acme-rt 1.0 (acme_rt_module:RT) failed to import: RuntimeError: needs driver 7"
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_stale_entry_points_advise_to_reinstall(distribute):
    files = {"stale_mod.py": "", "stale_needs.py": "import not_there_at_all"}
    distribute("stale", "1.0", {"hooks": "A = stale_mod:Gone\nB = stale_absent:Gone\nC = stale_needs:X"}, files)
    for name in "AB":
        assert message(PluginImportError, registry("hooks").get, name).endswith("; if it was moved or renamed, reinstall stale with pip")
    assert message(PluginImportError, registry("hooks").get, "C").endswith("ModuleNotFoundError: No module named 'not_there_at_all'")


def test_declared_part_must_derive_from_the_contract(distribute):
    code = "from mindpoint.contracts.data import Dataset\nclass Data(Dataset): pass\nclass Loose: pass\ntext = ''"
    groups = {"hooks": "A = kinds_mod:Data\nB = kinds_mod:Loose\nC = kinds_mod:text", "datasets": "D = kinds_mod:Data"}
    distribute("kinds", "1.0", groups, {"kinds_mod.py": code})
    get = registry("hooks").get
    said = "is a dataset, not a hook: it must derive from mindpoint.contracts.hook.Hook"
    assert message(WrongKind, get, "A") == f"hook 'A' of kinds 1.0 (kinds_mod:Data) {said}"
    assert "is not a hook: it must derive from mindpoint.contracts.hook.Hook" in message(WrongKind, get, "B")
    assert "is not a hook: it is neither a class nor a function" in message(WrongKind, get, "C")
    assert registry("datasets").get("D").__name__ == "Data"


def test_register_in_this_process():
    hooks = registry("hooks")

    @hooks.register("Mine")
    class Mine(Hook):
        """A hook of a notebook."""

        def __init__(self, every: int = 3):
            pass

    try:
        assert hooks.get("mine") is Mine
        assert "Mine" in hooks.names()
        assert str(hooks.describe("mine").signature) == "(every: int = 3)"
        assert hooks.describe("mine").doc == "A hook of a notebook."
        assert "already registered: hook 'Mine'" in message(PluginConflict, hooks.register, "m-i-n-e", Hook)
        again = type("Mine", (Hook,), {"__module__": Mine.__module__, "__qualname__": Mine.__qualname__})
        assert hooks.register("m-i-n-e", again) is again, "a cell of a notebook that runs twice"
        assert hooks.get("Mine") is again
    finally:
        hooks.unregister("Mine")
    assert "Mine" not in hooks.names()


def test_override_hides_a_declared_part_until_it_is_taken_back():
    backbones, mine, other = registry("backbones"), type("Mine", (Backbone,), {}), type("Other", (Backbone,), {})
    assert "already registered: backbone 'DLA34' of mindpoint" in message(PluginConflict, backbones.register, "dla34", mine)
    with backbones.registered("dla34", mine):
        assert backbones.get("DLA34") is mine and len([n for n in backbones.names() if normalize(n) == "dla34"]) == 1
        with backbones.registered("DLA34", other):
            assert backbones.get("DLA34") is other
        assert backbones.get("DLA34") is mine
    assert backbones.find("DLA34").distribution == "mindpoint"


def test_describe_reads_what_it_cannot_import(distribute):
    code = (
        'import not_there\n\n\nclass Part(not_there.Base):\n    """Does it,\n    whatever it is.\n\n    More."""\n\n'
        '    def __init__(self, size: int, mode: str = "a"):\n        pass\n'
    )
    distribute("described", "3.1", {"necks": "Part = described_mod:Part"}, {"described_mod.py": code})
    found = registry("necks").describe("part")
    assert (found.entry.distribution, found.entry.version, found.entry.module) == ("described", "3.1", "described_mod")
    assert found.file.endswith("described_mod.py") and found.line == 4 and found.doc == "Does it, whatever it is."
    assert str(found.signature) == "(size: int, mode: str = 'a')"


@pytest.mark.parametrize("name", ["json:JSONEncoder", "mindpoint.contracts.parts:Backbone", "json:dumps"])
def test_the_kind_of_a_class_path_is_checked(name):
    text = message(WrongKind, registry("hooks").get, name, WHERE)
    kind = "is a backbone, not a hook" if "Backbone" in name else "is not a hook"
    assert text.startswith(f"{WHERE}: hook '{name.partition(':')[2]}' ({name}) {kind}: it must derive from mindpoint.contracts.hook.Hook")


def test_the_kind_of_a_registered_part_is_checked():
    with registry("hooks").registered("Odd", dict):
        assert "hook 'Odd' (builtins:dict) is not a hook: it must derive" in message(WrongKind, registry("hooks").get, "odd")


TRACKING = """
class BoxTracker:
    pass

class Greedy(BoxTracker):
    def __init__(self, reach: float = 0.5):
        pass
"""


def test_a_distribution_declares_a_kind(distribute):
    files = {"acme_api.py": "raise RuntimeError('imported')", "acme_tracking.py": TRACKING}
    distribute("acme-api", "1.0", {"kinds": "trackers = acme_tracking:BoxTracker\nlost = acme_api:HTTPServer"}, files)
    groups = {"trackers": "Greedy = acme_tracking:Greedy\nOdd = json:JSONEncoder", "lost": "Odd = json:JSONEncoder"}
    distribute("acme-greedy", "2.0", groups)
    trackers = registry("trackers")
    assert trackers is registry("box tracker") is registry("mindpoint.trackers") and trackers.kind in kinds()
    assert registry("lost").kind.singular == "http server", "named without importing it"
    assert trackers.names() == ["Greedy", "Odd"] and trackers.get("greedy").__name__ == "Greedy"
    assert message(WrongKind, registry("hooks").find, "Greedy") == "'Greedy' is a box tracker, not a hook"
    assert message(WrongKind, trackers.get, "Odd").endswith("is not a box tracker: it must derive from acme_tracking.BoxTracker")
    said = "hook 'Greedy' (acme_tracking:Greedy) is a box tracker, not a hook"
    assert message(WrongKind, registry("hooks").get, "acme_tracking:Greedy").startswith(said)
    said = "acme_api:HTTPServer, the base of lost, failed to import: RuntimeError"
    assert said in message(PluginImportError, registry("lost").get, "Odd")


@pytest.mark.slow
def test_a_declared_kind_hides_no_other(distribute):
    distribute("greedy-kinds", "1.0", {"kinds": "hooks = acme_tracking:BoxTracker"})
    assert registry("hooks").kind.base == "mindpoint.contracts.hook:Hook"
    problems = [finding.problem for finding in examine() if finding.distribution == "greedy-kinds 1.0"]
    assert problems[-1] == "'hooks' is already a kind, of mindpoint.contracts.hook:Hook; choose another name"
