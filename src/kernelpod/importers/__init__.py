"""Imports existing configuration: values of Zero to JupyterHub, courses of older hubs, other kernelspecs.

The importers read other formats, create files of this project, and report what happened to each value. They start
nothing.
"""
