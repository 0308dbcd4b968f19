"""Submissions and nbgrader's exchange: what was handed in and when, and the folders that keep it.

It runs in users' servers and on the command line of those who grade, not in the hub.
"""
