"""Publishes kernelspecs as releases: in a local folder, over ssh, or on a claim."""
