import pytest

from repose_jax.evaluation import protocols


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"no config.eval.protocol 'p1'.*human36m_2\.5d.*mpi_inf_3dhp"
    ):
        protocols.get("p1")
