"""Reads values as Helm does: from several files in order, and wherever in them the hub is."""
