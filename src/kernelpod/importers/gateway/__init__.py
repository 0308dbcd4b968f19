"""Imports the values of a stock Enterprise Gateway's chart as values of kernelpod's chart."""
