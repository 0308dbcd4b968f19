"""Looks at users' homes where they are stored, makes the missing ones, and measures them: `kernelpod homes`."""
