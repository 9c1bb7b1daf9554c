"""Who may call: credentials as they are presented and judged, and the endpoints that issue them."""
