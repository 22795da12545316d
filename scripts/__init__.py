"""Programs of the maintainers; none of them ships in the package."""
