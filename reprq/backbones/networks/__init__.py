"""Networks that torchvision has not."""
