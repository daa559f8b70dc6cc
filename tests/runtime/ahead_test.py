"""Threads that work ahead: order, bounds, errors, and that none is left."""

import contextlib
import itertools
import threading

import pytest

from repose_jax.runtime.ahead import ahead

NAME = "far ahead"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert NAME not in {thread.name for thread in threading.enumerate()}


def test_items_come_in_their_order_from_another_thread():
    def items():
        for number in range(100):
            yield number, threading.current_thread().name

    assert list(ahead(items(), most=2, name=NAME)) == [(number, NAME) for number in range(100)]


def test_none_is_an_item():
    items = (item for item in (None, 1, None))
    assert list(ahead(items, most=2, name=NAME)) == [None, 1, None]


def test_few_items_wait_however_many_there_are():
    made = []

    def items():
        for number in itertools.count():
            made.append(number)
            yield number

    with contextlib.closing(ahead(items(), most=3, name=NAME)) as found:
        for number in range(50):
            assert next(found) == number
            assert len(made) <= number + 1 + 3 + 1  # taken, waiting, and one in the thread's hands


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(error):
    def items():
        yield 1
        raise error

    found = ahead(items(), most=2, name=NAME)
    assert next(found) == 1
    with pytest.raises(type(error)):
        next(found)


def test_closing_closes_the_items():
    closed = []

    def items():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    found = ahead(items(), most=2, name=NAME)
    next(found)
    found.close()
    assert closed == [True]
