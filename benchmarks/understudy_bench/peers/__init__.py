"""Programs the gateway is measured beside: an aiohttp echo and a featureless aiohttp relay."""
