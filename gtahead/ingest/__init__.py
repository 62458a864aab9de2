"""What all readers share: the model of a capture, rows, names, labelled images, our own exports."""
