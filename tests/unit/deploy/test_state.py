"""What `kernelpod status` finds."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from deployments import Answers, deployment

from kernelpod.deploy.state import late_to_end, state_of

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=timezone.utc)


def pod(name: str, until: str = "", node: str = "node1") -> dict[str, Any]:
    made = {"name": name, "namespace": "kernels", **({"deletionTimestamp": until} if until else {})}
    return {"metadata": made, "spec": {"nodeName": node}}


@pytest.mark.parametrize(
    ("pods", "said"),
    [
        ([pod("runs")], []),
        ([pod("ends", "2026-01-01T12:00:20Z")], []),
        ([pod("ends-now", "2026-01-01T11:59:31Z")], []),
        (
            [pod("late", "2026-01-01T11:59:29Z")],
            ["on node node1, 1 of the pods should have ended, such as kernels/late"],
        ),
        (
            [
                pod("a", "2026-01-01T09:00:00Z"),
                pod("b", "2026-01-01T09:00:00Z"),
                pod("c", "2025-01-01T00:00:00Z", "n"),
            ],
            [
                "on node n, 1 of the pods should have ended, such as kernels/c",
                "on node node1, 2 of the pods should have ended, such as kernels/a",
            ],
        ),
    ],
)
def test_pods_that_are_late_to_end_are_counted_by_node(pods: list[dict[str, Any]], said: list[str]) -> None:
    assert [sentence.partition(":")[0] for sentence in late_to_end(pods, NOW)] == said


def test_status_names_them_among_the_problems() -> None:
    late = {"items": [pod("late", "2026-01-01T00:00:00Z")]}
    answers = Answers(kubectl_get_pods=late, helm_list="[]")
    state = state_of(answers.cluster(), deployment(hub={"install": "none"}))
    assert any("should have ended, such as kernels/late" in problem for problem in state.problems), state.problems
