"""Findings in files: the Finding with its line, readers of YAML and JSON that know lines, and printed forms.

Lint, the check of courses and the importers share these. The checks themselves are in the package of each file's
kind, such as `kernelspecs.linting` and `courses`.
"""
