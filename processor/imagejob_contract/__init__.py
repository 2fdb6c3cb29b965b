"""What the operator and a processing Pod share: recipe, order, result. It imports msgspec only."""
