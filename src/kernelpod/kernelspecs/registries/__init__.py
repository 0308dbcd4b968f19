"""Whether the images that are named exist: asked of their registries, or of the nodes."""
