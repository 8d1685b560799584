"""What training and prediction will cost, told before anything is trained."""
