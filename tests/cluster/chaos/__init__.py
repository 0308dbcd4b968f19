"""Faults at random, and users who count in their kernels meanwhile."""
