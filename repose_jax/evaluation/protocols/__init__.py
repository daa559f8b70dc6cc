"""How the benchmarks of the field count: which frames and joints, and averages of what.

A protocol takes the tally of an evaluation to the numbers that papers print. `config.eval.protocol`
names it.
"""

from collections.abc import Mapping

from repose_jax.evaluation.protocols import every_frame, human36m, mpi_inf_3dhp
from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.runtime import names

PROTOCOLS: Mapping[str, Protocol] = {
    "every_frame": every_frame.PROTOCOL,
    "human36m_2.5d": human36m.IN_IMAGE,
    "human36m_camera": human36m.CAMERA,
    "mpi_inf_3dhp": mpi_inf_3dhp.PROTOCOL,
    "mpi_inf_3dhp_scale_slip": mpi_inf_3dhp.SCALE_SLIP,
}


def get(name: str) -> Protocol:
    """Returns a protocol by its name.

    Raises:
        ValueError: there is no such protocol; lists those there are.
    """
    if name not in PROTOCOLS:
        raise ValueError(names.unknown("config.eval.protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
