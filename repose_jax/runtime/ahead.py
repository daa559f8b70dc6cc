"""Work that a thread does ahead."""

import queue
import threading
from collections.abc import Generator
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(
    items: Generator[_Item, None, None], *, most: int, name: str
) -> Generator[_Item, None, None]:
    """Iterates over items while a thread makes the next ones; close it to stop the thread.

    An error of the thread is raised here, after the items before it.

    Args:
        items: closed by the thread at the end.
        most: items that may wait.
        name: of the thread.
    """
    # Of the thread: an item as a tuple, or an error, or None at the end.
    made: queue.Queue[tuple[_Item] | BaseException | None] = queue.Queue(most)
    stopped = threading.Event()

    def put(item: tuple[_Item] | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return made.put(item, timeout=0.1)
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put((item,))
                if stopped.is_set():
                    break
            items.close()
            put(None)
        except BaseException as error:  # as it would be without a thread
            put(error)

    thread = threading.Thread(target=make, name=name, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item[0]
    finally:
        stopped.set()
        thread.join()
