"""The docs: their site, their generated pages, and every block of code in them."""
