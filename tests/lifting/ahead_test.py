"""Work for the next value while the last one is used."""

import threading

import pytest

from repose_jax.lifting.ahead import ahead

PATIENCE_S = 10


def test_values_come_in_their_order():
    assert list(ahead(iter(range(20)))) == list(range(20))
    assert list(ahead([])) == []


def test_the_next_value_is_made_while_the_last_is_used_and_no_more_than_it():
    begun = [threading.Event() for _ in range(4)]
    makers = set()

    def values():
        for number in range(4):
            begun[number].set()
            makers.add(threading.current_thread())
            yield number

    for number in ahead(values()):
        if number + 1 < 4:
            assert begun[number + 1].wait(PATIENCE_S)
        assert not any(event.is_set() for event in begun[number + 2 :])
    assert makers.isdisjoint({threading.main_thread()})


def test_an_error_comes_after_the_values_before_it():
    def values():
        yield 1
        raise OSError("the cable is out")

    found = ahead(values())
    assert next(found) == 1
    with pytest.raises(OSError, match="cable"):
        next(found)


def test_who_waits_is_asked_and_may_give_up():
    never = threading.Event()
    asked = []

    def waiting():
        asked.append(1)
        if len(asked) == 2:
            never.set()
            raise OSError("nothing comes")

    with pytest.raises(OSError, match="nothing comes"):
        list(ahead(iter(never.wait, True), waiting=waiting))


def test_closing_ends_the_thread():
    threads = []

    def values():
        while True:
            threads.append(threading.current_thread())
            yield 0

    found = ahead(values())
    next(found)
    found.close()
    assert not threads[0].is_alive()
