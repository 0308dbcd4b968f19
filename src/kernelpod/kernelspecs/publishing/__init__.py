"""Kernelspecs as releases: whole trees, one link to the live one, here, over ssh or on a claim."""
