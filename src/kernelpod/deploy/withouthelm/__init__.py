"""Installs the gateway's chart where there is no Helm: renders its templates, and applies them with kubectl."""
