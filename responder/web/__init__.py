"""HTTP: webhooks, health, and the API. A webhook answers 2xx only once its body is durably stored."""
