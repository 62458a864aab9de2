"""Several tests train at once: each on one thread."""

import torch

torch.set_num_threads(1)
