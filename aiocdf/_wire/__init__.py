"""What goes over the wire and comes back: requests, responses, problems and the one converter. No I/O."""
