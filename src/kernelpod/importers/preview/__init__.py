"""Shows what a user has before and after an import, side by side.

What was is read from the source by itself, and not from what the import made of it: a mistake of the import shows.
"""
