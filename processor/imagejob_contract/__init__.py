"""What the operator and the processor share: recipe, order and result. It imports msgspec only."""
