"""The operators that the installed MindSpore registers for Ascend. Its CPU wheels contain the Ascend libraries, too. They are read as
files, since loading them requires the drivers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Dict, List, Tuple

from mindpoint.errors import MindpointError

ACLNN, NAMED, AICPU, HOST, TAIL, MISSING = "aclnn", "named", "AICPU", "host", "unclear", "missing"
MEANINGS = {
    ACLNN: "a kernel of CANN's operator library is called; only the library knows which types it accepts",
    NAMED: "the backend passes the operator to ACL or to the graph engine; only they know which types they accept",
    AICPU: "registered with these types, but only for the Ascend's own CPU cores, which are slow",
    HOST: "computed by the host, on scalars and shapes",
    TAIL: "the libraries contain the name only as the end of a longer name, so it may or may not be registered",
    MISSING: "the operator is not registered, or not with these types",
}

# Operators that arrange a graph and have no kernel, and those on Python numbers and sequences.
_ARRANGING = "Constant Depend Load UpdateState MakeTuple TupleGetItem Partial Switch Call Return StopGradient Parameter UMonadLoad"
_HOST = re.compile(rf"(?:{'|'.join(_ARRANGING.split())}|Scalar\w+|\w+Scalar|Shape|Sequence\w+|Tuple\w+|RealMakeTuple|TensorToScalar)")


@dataclass(frozen=True)
class Registrations:
    """The operators that MindSpore registers for Ascend.

    Attributes:
        folder: the folder of the package ``mindspore``.
    """

    folder: Path

    @staticmethod
    @lru_cache(maxsize=None)
    def installed() -> "Registrations":
        """Return the registrations of the installed MindSpore. Raises MindpointError if its wheel has no Ascend libraries."""
        import mindspore

        found = Registrations(Path(mindspore.__file__).parent)
        if not found._operators.is_file():
            raise MindpointError(
                f"{found._operators}: no such file; MindSpore {mindspore.__version__} was installed without Ascend libraries, which "
                "the wheels for x86 contain from version 2.7 on"
            )
        return found

    @property
    def _operators(self) -> Path:
        return self.folder / "lib" / "plugin" / "libmindspore_ops_ascend.so"

    @cached_property
    def aclnn(self) -> frozenset:
        """Return the operators with a class that calls CANN's operator library."""
        names = re.findall(rb"N9mindspore6kernel\d+[a-z_0-9]+?\d+([A-Z]\w*?)AscendE", self._operators.read_bytes())
        return frozenset(name.decode() for name in names)

    @cached_property
    def _backend(self) -> bytes:
        plugin = self.folder / "lib" / "plugin" / "ascend"
        names = ("libmindspore_ascend_res_manager.so", "libmindspore_graph_ir.so")
        return b"".join((plugin / name).read_bytes() for name in names if (plugin / name).is_file())

    @cached_property
    def named(self) -> frozenset:
        """Return all words that occur as complete strings in the backend's libraries."""
        return frozenset(word.decode() for word in re.findall(rb"(?<=\x00)[A-Z][A-Za-z0-9]{1,60}(?=\x00)", self._backend))

    @cached_property
    def aicpu(self) -> Dict[str, List[Tuple[str, ...]]]:
        """Return the supported combinations of types for each operator on the Ascend's own CPU cores: types of inputs, then of outputs."""
        found: Dict[str, List[Tuple[str, ...]]] = {}
        for line in (self.folder / "config" / "op_info.config").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record.get("imply_type") == "AiCPU":
                types = [tuple(kind for kind, *_ in combination) for combination in record["dtype_format"]]
                found.setdefault(record["op_name"], []).extend(types)
        return found

    def where(self, operator: str, kinds: Tuple[str, ...]) -> str:
        """Return where an operator is registered: a key of :data:`MEANINGS`.

        Args:
            kinds: types of the outputs, such as ``float32``.
        """
        if _HOST.fullmatch(operator):
            return HOST
        if operator in self.aclnn:
            return ACLNN
        if operator in self.named:
            return NAMED
        if any(set(kinds) <= set(combination) for combination in self.aicpu.get(operator, ())):
            return AICPU
        return TAIL if re.search(rb"[A-Za-z]" + operator.encode() + rb"\x00", self._backend) else MISSING
