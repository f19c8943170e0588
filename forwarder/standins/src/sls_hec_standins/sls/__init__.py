"""A stand-in for Alibaba Cloud Log Service."""
