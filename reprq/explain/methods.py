"""The names of the methods that explain a score; importing this costs nothing."""

OF_ANY_SCORE = ("gradient", "gradient_x_input", "integrated_gradients", "occlusion")
METHODS = ("relevance", *OF_ANY_SCORE)
