"""Imports the courses of a hub that is configured by `config.yaml` and folders of CSV lists."""
