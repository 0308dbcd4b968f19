"""Who is in which course, and what that gives.

`model` is the form of the file, `overlay` lays files over one another, `userlists` reads lists of users, `roster`
keeps both current, `course_access` says what a user gets, `check` what is wrong. JupyterHub is not known here.
"""
