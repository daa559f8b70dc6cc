"""Work for the next value while the last one is used."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

_LOOK_S = 0.1  # a wait without end could not be interrupted on Windows
_CLOSING_S = 2.0  # what waits for a camera that was unplugged may never end

T = TypeVar("T")


def ahead(
    values: Iterable[T], *, waiting: Callable[[], None] = lambda: None
) -> Generator[T, None, None]:
    """Iterates over values; while one is used, a thread makes the next one, and no more than it.

    Close it to end the thread, which finishes the value that it makes.

    Args:
        values: made in the thread alone.
        waiting: called again and again while there is no next value; may raise.

    Raises:
        BaseException: what making a value, or `waiting`, raised.
    """
    # Of the thread: a value alone in a tuple, or an error, or None at the end.
    made: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
    wanted, closed = threading.Semaphore(1), threading.Event()

    def make() -> None:
        iterator = iter(values)
        try:
            while wanted.acquire() and not closed.is_set():
                made.put((next(iterator),))
        except StopIteration:
            made.put(None)
        except BaseException as error:
            made.put(error)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = made.get(timeout=_LOOK_S)
            except queue.Empty:
                waiting()
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            wanted.release()
            yield item[0]
    finally:
        closed.set()
        wanted.release()
        thread.join(_CLOSING_S)
