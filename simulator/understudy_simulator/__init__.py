"""The fake Gemini, Vertex AI, Live and VEO provider."""
