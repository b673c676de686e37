"""What a collection's handle can do, by kind: write points, read them, look after them."""
