"""A network as C99: the step of each neuron from `ir`, and the weights as constant tables."""
