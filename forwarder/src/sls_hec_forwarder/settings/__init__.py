"""Settings: environment variables, and files for secrets, become one typed object."""
