"""The one definition of how a photograph becomes pixels: decode, orient, resize, scale."""
