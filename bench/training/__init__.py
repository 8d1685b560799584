"""What any torch approach can use: backbones, heads, crops and stacks, augmentation, losses, the training loop."""
