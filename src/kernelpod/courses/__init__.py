"""Courses: the courses file, the lists of their users, and what each user gets.

`model` defines the courses file, `overlay` merges files that extend one another, and `userlists` reads lists of
users, which are `tables`. `roster` keeps both up to date, `course_access` computes what a user gets, and `check`
finds mistakes. This room does not depend on JupyterHub.
"""
