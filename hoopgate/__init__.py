"""hoopgate: a Layer 7 access gateway that blocks, masks, holds and records."""
