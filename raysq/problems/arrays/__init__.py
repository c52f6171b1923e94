"""Problem `arrays`: predict columns of a table from its other columns: numbers, categories, tensors, token ids."""
