import itertools

from benchmarks import sampling


def test_a_pass_of_the_sampling_is_compared_with_a_plain_one():
    ticks = itertools.count(step=1.0)  # every run takes a second
    sizes = {"frames": 3, "width": 8, "depth": 1, "heads": 2}
    found = sampling.measure(sizes, 2, 3, repeats=1, clock=lambda: next(ticks))
    assert found["seconds"] == {"sampling": [1.0], "plain": [1.0]}
    assert found["seconds_of_a_pass"] == {"sampling": 1 / 12, "plain": 1 / 2}
    assert found["relative_speed"] == 6
