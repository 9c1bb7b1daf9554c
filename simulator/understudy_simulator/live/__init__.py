"""The Live API: sessions over WebSockets, free and scripted, for both services."""
