"""The transport, the only user of aiohttp's client, and the sender, which adds tokens and retries."""
