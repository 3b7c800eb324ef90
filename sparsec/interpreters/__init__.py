"""What every level of the IR means, in numpy: the oracle of the passes."""
