"""Token stores: where the sign-ins of users are kept."""
