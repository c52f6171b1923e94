"""Problem `images`: image classification, and autoencoders that reconstruct images."""
