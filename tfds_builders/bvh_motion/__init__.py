"""Motion capture from any BVH or ASF/AMC files."""
