"""What a network is: nodes, neurons and their steps, graphs, and what must hold of them."""
