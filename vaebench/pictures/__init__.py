"""Pictures of a trained model: grids, paths and charts. They measure nothing."""
