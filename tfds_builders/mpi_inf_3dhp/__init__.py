"""MPI-INF-3DHP: eight people in a studio, and six test sequences."""
