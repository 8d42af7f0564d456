"""From a data set to a trained and evaluated Keras model."""
