"""dynamics: the ordinary differential equation of FLOATER and its solvers.

- `flow`: h, the right-hand side, with its derivatives by hand;
- `sequential`: Runge–Kutta 4 and midpoint on a fixed grid, one step after the other;
- `parallel`: the whole trajectory at once, by sweeps;
- `adaptive`: torchdiffeq's adaptive solvers (extra `ode`);
- `interpolation`: the trajectory between the grid's nodes;
- `biases`: a flow with its solver as the biases of every block, stored where nothing learns.
"""
