"""Our own protocol, for data without a published one: the mean over all frames and joints."""

from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Tally

_COLUMNS = {
    "mpjpe": "MPJPE ↓",
    "pa_mpjpe": "PA-MPJPE ↓",
    "mpjve": "MPJVE ↓",
    "spatial_depth_order": "Order-S % ↑",
    "temporal_depth_order": "Order-T % ↑",
}


def _table(tally: Tally) -> Table:
    def row(**choice) -> list[float]:
        return [tally.mean(metric, **choice) for metric in _COLUMNS]

    return Table(
        title="Every frame once: mm, mm/frame, and shares of pairs in the right order of depth",
        columns=tuple(_COLUMNS.values()),
        rows={
            "all joints": row(),
            "visible": row(visibility="visible"),
            "occluded": row(visibility="occluded"),
        },
        digits=2,
    )


PROTOCOL = Protocol(summary=Tally.summary, table=_table)
