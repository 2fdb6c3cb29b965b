"""What a release publishes: wheel, sources, images, CRDs, bills of materials, checksums."""
