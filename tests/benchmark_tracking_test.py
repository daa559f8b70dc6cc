from benchmarks import scenes, tracking
from repose_jax.tracking.tracks import track


def test_exchanges_are_changes_of_a_persons_track():
    scene = scenes.crossing(0, seconds=2.0)
    tracks = track(scene.detections)
    assert tracking.exchanges(scene, tracks) == 0
    whole = tracks[0]
    middle = len(whole.frame) // 2
    halves = [
        type(whole)(*(value[part] for value in vars(whole).values()))
        for part in (slice(0, middle), slice(middle, None))
    ]
    assert tracking.exchanges(scene, [*halves, *tracks[1:]]) == 1


def test_the_means_of_scenes():
    result = tracking.measure(range(1))
    assert (result["scenes"], result["exchanges"], result["tracks"]) == (1, 0, 3)
    assert result["longest_gap_frames"] <= 49
