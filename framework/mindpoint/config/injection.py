"""Values that a running program passes to constructors of parts. The schema, the builder and the documentation use this table."""

from __future__ import annotations

from typing import NamedTuple, Tuple

from mindpoint.registry import registry


class Injected(NamedTuple):
    """A value that a constructor receives if it has a parameter of this name.

    Attributes:
        name: the parameter's name.
        type: the annotation that a plugin's author would write.
        meaning: description in one line.
        kinds: plurals of the kinds that receive it; empty: all.
    """

    name: str
    type: str
    meaning: str
    kinds: Tuple[str, ...] = ()


TABLE = (
    Injected("classes", "List[str]", "names of the classes; the index is the label"),
    Injected("input_spec", "InputSpec", "the section `input`: size and normalisation of the network's input"),
    Injected("vocabulary", "Dict[str, object]", "the configuration's sections of plugins, by name"),
    Injected("in_features", "Tuple[FeatureSpec, ...]", "channels and stride of each input map", ("necks", "heads")),
    Injected("maps", "Sequence[str]", "names of the heads' maps", ("losses",)),
    Injected("targets", "Sequence[str]", "names of the target encoder's targets", ("losses",)),
    Injected("dataset", "Dataset", "the training images", ("samplers",)),
    Injected("params", "List[dict]", "groups of parameters, as MindSpore's optimizers take them", ("optimizers",)),
    Injected("epochs", "float", "length of the training in epochs", ("schedules",)),
    Injected("steps_per_epoch", "int", "steps in an epoch", ("schedules",)),
    Injected("run_dir", "Path", "folder of the run", ("hooks",)),
)


def given(kind: str) -> Tuple[str, ...]:
    """Return the names that parts of a kind can request: those of the table, and the sections that plugins declare."""
    return (*(item.name for item in TABLE if not item.kinds or kind in item.kinds), *registry("sections").names())


def markdown_table() -> str:
    """Return the table as Markdown for the documentation, without the sections of plugins."""
    rows = [("parameter", "type", "meaning", "given to"), ("---",) * 4]
    for item in TABLE:
        rows.append((f"`{item.name}`", f"`{item.type}`", item.meaning, ", ".join(item.kinds) or "all parts"))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
