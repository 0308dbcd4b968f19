"""The behaviours, one module for each subject."""
