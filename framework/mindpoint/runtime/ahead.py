"""Pipeline stages in threads: each computes ahead while the next one uses its earlier results."""

from __future__ import annotations

import threading
from collections import deque
from typing import Deque, Iterable, Iterator, List, TypeVar

T = TypeVar("T")
_PATIENCE = 5.0  # seconds to wait at the end for an unfinished item


def ahead(items: Iterable[T], most: int) -> Iterator[T]:
    """Yield the items in order while a thread prepares at most ``most`` further ones.

    Errors of the items are raised here, after all earlier items. When the iterator is closed, the thread finishes its item, closes
    ``items`` and ends.
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
        except BaseException as error:  # an interruption is passed on to the consumer, too
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
