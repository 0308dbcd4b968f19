"""What a notebook does, with a local kernel and behind Kernelpod: one table, side by side."""
