"""Typed configuration: the one source of what config.yaml, scales/ and claims.yaml may say."""
