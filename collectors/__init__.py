"""Programs that gather records on endpoints, relays and sensors, and the readers of their bytes."""
