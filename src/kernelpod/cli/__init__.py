"""The command line: one module for each group of commands, and the generated reference pages.

This package defines how a command is called and what it prints. The work itself is done by the other packages.
"""
