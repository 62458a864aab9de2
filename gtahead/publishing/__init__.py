"""Publishing: releases and their cards, the hub, and the way back to a dataset."""
