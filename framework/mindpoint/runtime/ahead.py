"""Stages of a pipeline that overlap: each works in a thread while the next one uses what it gave before."""

from __future__ import annotations

import threading
from collections import deque
from typing import Deque, Iterable, Iterator, List, TypeVar

T = TypeVar("T")
_PATIENCE = 5.0  # seconds for which an item that is in the making is waited for at the end


def ahead(items: Iterable[T], most: int) -> Iterator[T]:
    """Yield the items in their order while a thread makes further ones, at most ``most`` of them.

    What the items raise is raised here, after all that came before. When the iterator is closed the thread ends with its item, and closes
    ``items``.
    """
    made: Deque[T] = deque()
    raised: List[BaseException] = []
    changed = threading.Condition()
    ended, closed = False, False

    def make() -> None:
        nonlocal ended
        try:
            for item in items:
                with changed:
                    changed.wait_for(lambda: closed or len(made) < most)
                    if closed:
                        return
                    made.append(item)
                    changed.notify_all()
        except BaseException as error:  # an interruption, too, belongs to whoever waits
            raised.append(error)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
            with changed:
                ended = True
                changed.notify_all()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: made or ended)
                if not made:
                    break
                item = made.popleft()
                changed.notify_all()
            yield item
        if raised:
            raise raised[0]
    finally:
        with changed:
            closed = True
            changed.notify_all()
        thread.join(_PATIENCE)
