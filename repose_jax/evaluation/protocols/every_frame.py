"""The protocol of data without an established one: the mean over all frames and joints."""

from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.tables import Table
from repose_jax.evaluation.tally import Tally
from repose_jax.skeleton import HUMAN36M

HANDS = tuple(HUMAN36M.joints.index(f"{side}_wrist") for side in ("left", "right"))
_METRICS = ("mpjpe", "pa_mpjpe", "ra_mpjpe", "mpjve", "spatial_depth_order")
_METRICS += ("temporal_depth_order",)


def _table(tally: Tally) -> Table:
    metrics = [metric for metric in _METRICS if metric in tally.totals]

    def row(**choice) -> list[float]:
        return [tally.mean(metric, **choice) for metric in metrics]

    return Table(
        title="Every frame once: mm, mm/frame, and shares of pairs in the right order of depth",
        columns=tuple(METRICS[metric].column for metric in metrics),
        rows={
            "all joints": row(),
            "visible": row(visibility="visible"),
            "occluded": row(visibility="occluded"),
            "hands": row(joint=HANDS),
        },
        digits=2,
    )


PROTOCOL = Protocol(summary=Tally.summary, table=_table)
