"""The command line: one module for each group of commands, and the generated reference pages.

Here belongs how a command is called and what it prints. What it does belongs to the room that it is about.
"""
