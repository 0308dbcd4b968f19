"""Courses of a hub, who is in them, and what that gives each user; knows no JupyterHub.

`model` is the form of the file, `yamlfile` reads it with its lines, `overlay` puts files over one another,
`userlists` reads lists of users, `roster` keeps both current, `offers` says what one user gets, `check` what is
wrong.
"""
