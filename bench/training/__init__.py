"""What any torch approach can use: backbones, crops, losses, the training loop and checkpoints."""
