"""Token stores, which keep the sign-ins of users."""
