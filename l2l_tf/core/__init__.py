"""What every room uses and that uses none: seeds, checks, files, registry."""
