"""From motion capture takes to 2D-3D training pairs: bodies, cameras, occlusion, a 2D detector."""
