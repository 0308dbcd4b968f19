"""nbgrader's exchange for the folders of a courses file, with codes and receipts.

`configure` enables it. docs/submissions.md describes it. No other package imports nbgrader.
"""

from __future__ import annotations

import os
from typing import Any

from kernelpod.grading.exchange.collect import Collect
from kernelpod.grading.exchange.exchange import CourseExchange, Fetch, ReleaseAssignment
from kernelpod.grading.exchange.feedback import FetchFeedback, ReleaseFeedback
from kernelpod.grading.exchange.listing import Listing
from kernelpod.grading.exchange.submit import Submit


def configure(c: Any) -> None:
    """Make nbgrader use this exchange. Called from nbgrader_config.py.

    In servers of a hub with courses, the environment names the course, its exchange and its closing time.
    """
    if place := os.environ.get("KERNELPOD_EXCHANGE"):
        c.Exchange.root, c.CourseDirectory.course_id = os.path.split(place)
        kept = os.environ.get("KERNELPOD_EXCHANGE_PERSONALISED", "").split()
        c.Exchange.personalised = [name for name in kept if name != "outbound"]
        c.Exchange.closes_at = os.environ.get("KERNELPOD_EXCHANGE_CLOSES_AT", "")
    factory = c.ExchangeFactory
    factory.exchange = CourseExchange
    factory.release_assignment = ReleaseAssignment
    factory.fetch_assignment = Fetch
    factory.submit = Submit
    factory.list = Listing
    factory.collect = Collect
    factory.release_feedback = ReleaseFeedback
    factory.fetch_feedback = FetchFeedback
