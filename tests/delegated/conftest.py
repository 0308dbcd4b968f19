"""The machine of tests/local, where control groups are delegated to what runs the tests."""

from local.conftest import hub, make_site, system_paths

__all__ = ["hub", "make_site", "system_paths"]
