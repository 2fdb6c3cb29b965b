"""From spec.source to staged items."""
