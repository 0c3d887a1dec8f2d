"""Calls hooks at the points of the loop."""

from __future__ import annotations

import logging
from typing import Callable, List

from mindpoint.contracts.guard import part_call
from mindpoint.contracts.hook import WRITER_POINTS, Hook, acts_at
from mindpoint.contracts.run import Run
from mindpoint.errors import PartError
from mindpoint.runtime import activity

log = logging.getLogger("mindpoint")
_IN_STEPS = ("before_step", "after_step")  # the processes agree before the next step anyway


class HookCalls:
    """Calls hooks in order: those with ``all_ranks`` in every process, the others in the first.

    Args:
        run: the training with its hooks; passed to each hook.
        agree: informs all processes of a decision by a hook of the first process.
    """

    def __init__(self, run: Run, agree: Callable[[], None]):
        self.run, self.agree = run, agree
        self._deferred: List[Callable[[], None]] = []

    def defer(self, action: Callable[[], None]) -> None:
        """Run ``action`` after all hooks have been called at the current point."""
        self._deferred.append(action)

    def call(self, point: str) -> None:
        """Call the hooks that act at a point, then their deferred actions. Points may nest, each with its own deferred actions."""
        outer, self._deferred = self._deferred, []
        try:
            undecided = False  # whether a hook of only the first process may have set stop_reason
            for name, hook in self.run.hooks.items():
                if not acts_at(hook, point):
                    continue
                shared = self._shared(hook, point)
                if shared and undecided and point not in _IN_STEPS:
                    self.agree()
                    undecided = False
                undecided |= not shared and point not in WRITER_POINTS
                if shared or self.run.is_writer:
                    self._call(name, hook, point)
            actions = self._deferred
        finally:
            self._deferred = outer
        for action in actions:
            action()

    def call_all(self, point: str) -> None:
        """Call every hook, even after one has failed. The error of a hook must not hide the error that ended the training."""
        failed = None
        for name, hook in self.run.hooks.items():
            if acts_at(hook, point) and (self._shared(hook, point) or self.run.is_writer):
                try:
                    self._call(name, hook, point)
                except Exception as error:
                    at = f"{point}: {error}" if isinstance(error, PartError) else f"{point}: {type(error).__name__}: {error}"
                    log.warning("hook '%s' failed at %s", name, at)
                    failed = failed or error
        if failed is not None and self.run.error is None:
            raise failed

    @staticmethod
    def _shared(hook: Hook, point: str) -> bool:
        return hook.all_ranks and point not in WRITER_POINTS

    def _call(self, name: str, hook: Hook, point: str) -> None:
        activity.announce(f"hook {name}, {point}")
        with part_call(f"hooks.{name}", hook):
            getattr(hook, point)(self.run)
