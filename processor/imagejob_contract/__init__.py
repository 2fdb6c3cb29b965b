"""What the operator and a processing Pod share: recipe, order and result. Standard library and msgspec only."""
