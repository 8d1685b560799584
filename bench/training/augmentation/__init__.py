"""Random changes to training images, batched in torch.

Every function takes a batch of items (B, ..., H, W), such as bags, stacks or whole scans, and a numpy generator from
which it draws once per item: all images of an item change alike. Values are expected in 0..1 and stay there. An image
of zeros stands for something that is missing and stays blank.

The two that every approach uses can be imported from here; the others from their modules, so that a change to one makes
stale only what uses it.
"""

from bench.training.augmentation.affine import ShiftScaleRotate, shift_scale_rotate
from bench.training.augmentation.intensity import BrightnessContrast, brightness_contrast

__all__ = ["BrightnessContrast", "ShiftScaleRotate", "brightness_contrast", "shift_scale_rotate"]
