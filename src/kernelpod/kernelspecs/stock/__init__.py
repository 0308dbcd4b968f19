"""Kernelspecs of an unmodified Enterprise Gateway: their form, their build, and the identity that a hub signs."""
