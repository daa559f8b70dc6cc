"""Protocols: the frames, joints and averages of the field's benchmarks.

A protocol turns the tally of an evaluation into the numbers of the papers' tables.
`config.eval.protocol` names it.
"""

from repose_jax.evaluation.protocols import every_frame, human36m, mpi_inf_3dhp
from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.runtime import names

PROTOCOLS: dict[str, Protocol] = {
    "every_frame": every_frame.PROTOCOL,
    "human36m_2.5d": human36m.IN_IMAGE,
    "human36m_camera": human36m.CAMERA,
    "human36m_camera_root_subtracted": human36m.SUBTRACTED,
    "mpi_inf_3dhp": mpi_inf_3dhp.PROTOCOL,
    "mpi_inf_3dhp_scale_slip": mpi_inf_3dhp.SCALE_SLIP,
}


def get(name: str) -> Protocol:
    """Returns a protocol by its name.

    Raises:
        ValueError: an unknown protocol; lists the known ones.
    """
    if name not in PROTOCOLS:
        raise ValueError(names.unknown("config.eval.protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
