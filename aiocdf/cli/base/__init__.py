"""Parts that all commands share: how they are declared and run, and how they show results."""
