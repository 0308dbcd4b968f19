"""The command line: one thin module a command; what they do lies below."""
