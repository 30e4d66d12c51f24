"""The transport, which alone touches aiohttp's client, and the sender, which adds tokens and retries."""
