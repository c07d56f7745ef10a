"""What is looked at before hours are spent, and said in one list."""
