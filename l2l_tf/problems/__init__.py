"""What is optimized: distributions of functions f(theta), with their data."""
