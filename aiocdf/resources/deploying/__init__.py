"""How functions are created and replaced."""
