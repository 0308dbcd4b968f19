"""nbgrader in a server: the exchange of the user's course, as the hub's courses file says."""

from kernelpod.grading.exchange import configure

configure(get_config())  # noqa: F821 - nbgrader provides it
