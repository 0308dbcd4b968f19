"""Submitted folders: what is in them, the code a student keeps, the receipt of the collector; knows no nbgrader.

`walk` looks into a folder without following anything out of it, `manifest` hashes it, `copy` copies it, `receipt`
says when it was collected, `verify` what has changed since.
"""
