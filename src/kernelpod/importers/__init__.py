"""Taking over what exists: hubs of Zero to JupyterHub, courses of older hubs, foreign kernelspecs.

Reads foreign forms, makes files of this project, and reports what became of each value. Starts nothing.
"""
