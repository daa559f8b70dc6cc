from benchmarks.mpi_inf_3dhp import SYSTEMS, row


def test_a_hypothesis_costs_a_pass_for_every_step_and_a_clip_all_hypotheses():
    system = SYSTEMS["VideoPose3D"]
    once, sampled = row(system), row(system._replace(hypotheses=3, passes=2))
    assert (once["frames"], once["parameters"]) == (81, 12_753_971)
    assert once["GMACs per clip"] == once["GMACs per hypothesis"] > 0
    assert sampled["GMACs per hypothesis"] == 2 * once["GMACs per clip"]
    assert sampled["GMACs per clip"] == 6 * once["GMACs per clip"]
