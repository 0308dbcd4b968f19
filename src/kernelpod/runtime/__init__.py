"""Where kernels run: one interface of a few verbs, and a folder for each runtime that has them.

A third runtime is a folder here and one line in `gateway.app`. What will run was decided in `start`.
"""
