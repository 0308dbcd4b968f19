"""Submissions and nbgrader's exchange: records what was submitted and when, in the folders of courses.

It runs in users' servers and on the command line of graders, not in the hub.
"""
