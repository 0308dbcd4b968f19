"""Configures nbgrader in a server to use the exchange of the user's course."""

from kernelpod.grading.exchange import configure

configure(get_config())  # noqa: F821 - nbgrader provides it
