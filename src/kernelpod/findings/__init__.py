"""Findings in files, at their line: one Finding, readers of YAML and JSON that know lines, and printed forms.

Here belongs what lint, the check of courses and the importers share. Which findings there are belongs to the room
of the file, such as `kernelspecs.linting` and `courses`.
"""
