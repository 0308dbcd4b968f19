"""What can be wrong with a kernelspec, and the look that finds it."""
