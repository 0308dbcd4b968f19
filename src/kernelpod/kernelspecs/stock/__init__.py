"""Support for an unmodified Enterprise Gateway: kernelspecs built for it, and the identity that a hub signs."""
