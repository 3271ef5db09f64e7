"""The script that measures step times runs on the device of the tests."""

from __future__ import annotations

from benchmarks.step_times import measure


def test_every_kind_of_step_is_timed_and_compared(device):
    rows = measure("small_resnet", device, batch_size=8, repeats=1)
    kinds = ["SGD", "SAM", "SAM, first layer", "forward + input gradient", "PGD step", "epoch of ten batches"]
    assert [row[:2] for row in rows] == [("small_resnet", kind) for kind in kinds]
    assert all(float(milliseconds) > 0 for _, _, milliseconds, _ in rows)
    assert [kind for _, kind, _, times in rows if times] == ["SAM", "SAM, first layer", "PGD step"]
