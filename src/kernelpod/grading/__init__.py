"""Submissions of courses: what was handed in and when, and the exchange of nbgrader that keeps it.

It runs in users' servers and on the command line of those who grade, not in the hub.
"""
