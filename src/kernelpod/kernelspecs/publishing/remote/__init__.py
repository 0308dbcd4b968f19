"""Releases at the other end of a shell: over ssh, or on a claim that a short-lived pod mounts."""
