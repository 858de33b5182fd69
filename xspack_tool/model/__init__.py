"""What was declared, as frozen values that check themselves."""
