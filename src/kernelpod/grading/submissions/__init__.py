"""Submitted folders: their hashes, the code for the student and the collector's receipt. Independent of nbgrader.

`walk` lists a folder without following anything out of it, `manifest` hashes it, `copy` copies it, `receipt`
records when it was collected, and `verify` finds what has changed since.
"""
