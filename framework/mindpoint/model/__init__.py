"""Assembly, initialisation, loading and saving of networks."""
