"""Kernelspecs of an unmodified Enterprise Gateway: their form, building them, and the identity that a hub signs."""
