"""What runbooks say beyond the taxonomy: facts in YAML, read strictly, and the pages made of them."""
