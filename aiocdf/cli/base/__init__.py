"""What all commands share: how they are declared, run, and show what they found."""
