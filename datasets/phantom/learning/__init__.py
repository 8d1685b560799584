"""What can be learnt from the phantom, and what cannot: small readers trained on its crops, points and habits."""
