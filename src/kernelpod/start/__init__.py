"""The start of a kernel, from a client's request to a plan. `start.py` shows the order of the steps.

This room authenticates the caller, computes what they are entitled to, and decides what will run. `pods` turns a
plan into a pod, and `runtime` runs it. After `policy`, the request, the environment and the settings are not used
again.
"""
