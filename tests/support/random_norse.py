"""Random Norse networks over every module that has a rule, whose sums are exact in float64.

In:  a seed.
Out: a model, and spikes (steps, *shape) to run it on.
Weights are multiples of 2^-6 and pools divide by powers of two, so that a sum is the same in
whatever order it is added up; the leaks of neurons are any numbers. Where a recurrent cell adds
to its own current, (i + a) + b, that current halves in each step, which is exact too.
"""

import norse.torch as norse
import numpy as np
import torch
from norse.torch.functional.lif_refrac import LIFRefracParameters
from norse.torch.functional.lsnn import LSNNParameters
from norse.torch.functional.reset import reset_subtract, reset_value
from torch import nn

STEPS = 30
GRID = 64.0
EPS = 2.0**-10
EXACT_DT = 2.0**-10  # with tau_syn_inv = 512 / s a current halves in each step
SHAPES = ((6,), (4, 8), (2, 6, 6), (4, 4, 8))


class Residual(nn.Module):
    """x + body(x)."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x, state=None):
        y, state = self.body(x, state)
        return x + y, state


class Joined(nn.Module):
    """Two bodies side by side, of the same input, joined on this axis."""

    def __init__(self, left, right, axis):
        super().__init__()
        self.left, self.right, self.axis = left, right, axis

    def forward(self, x, state=None):
        left, right = (None, None) if state is None else state
        a, left = self.left(x, left)
        b, right = self.right(x, right)
        return torch.cat([a, b, x], self.axis), (left, right)


class FedBack(nn.Module):
    """Neurons whose spikes of the step before come back through a map of their own."""

    def __init__(self, cell, back):
        super().__init__()
        self.cell, self.back = cell, back

    def forward(self, x, state=None):
        z, state = (torch.zeros(x.shape), None) if state is None else state
        z, state = self.cell(x + self.back(z.to(x.dtype)), state)
        return z, (z, state)


STATEFUL = (norse.module.snn.SNN, norse.module.snn.SNNRecurrent, Residual, Joined)


class Reduced(nn.Module):
    """A network over time of which one value per neuron is returned."""

    def __init__(self, network, how):
        super().__init__()
        self.network, self.how = network, how

    def forward(self, x):
        steps, _ = self.network(x)
        return steps[-1] if self.how == "last" else getattr(steps, self.how)(0)


class Maker:
    """Draws modules; `shape` is that of a sample after what it has drawn so far.

    With `over_time` its layers take all steps at once, by Norse's LIF, IAF, LI, LIFRecurrent and
    Lift; without, a step; None draws which.
    """

    def __init__(self, seed, over_time=None):
        self.rng = np.random.default_rng(seed)
        torch.manual_seed(seed)
        self.recurrent = self.rng.random() < 0.5
        self.dt = EXACT_DT if self.recurrent else float(self.rng.choice([1e-3, 5e-4]))
        drawn = self.rng.random() < 0.2
        self.over_time = drawn if over_time is None else over_time

    def one_of(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def odds(self, chance):
        return bool(self.rng.random() < chance)

    # --- layers without state

    def keeping(self, shape):
        """A weighted layer that keeps the shape."""
        bias = self.odds(0.7)
        if len(shape) == 1:
            return nn.Linear(*shape, *shape, bias=bias)
        conv = nn.Conv1d if len(shape) == 2 else nn.Conv2d
        dilation = self.one_of(1, 1, 2)
        groups = self.one_of(1, shape[0])
        return conv(
            *(shape[0], shape[0], 3), padding=dilation, dilation=dilation, groups=groups, bias=bias
        )

    def linear(self, shape):
        """A layer without state that takes this shape."""
        if self.odds(0.15):
            return self.batch_norm(shape)
        if self.odds(0.1):
            return self.one_of(nn.Dropout(), nn.Identity())
        if len(shape) == 1:
            return nn.Linear(*shape, int(self.rng.integers(3, 9)), bias=self.odds(0.7))
        even = all(n % 2 == 0 for n in shape[1:])
        kinds = [self.convolution, self.convolution, self.transposed]
        kinds += [self.pool, self.pool] if even else []
        kinds += [self.upsample] if max(shape[1:]) <= 6 else []
        return self.one_of(*kinds)(shape)

    def batch_norm(self, shape):
        norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}[len(shape)](
            shape[0], eps=EPS, affine=self.odds(0.8)
        )
        powers = torch.as_tensor(self.rng.integers(-1, 2, shape[0]))
        norm.running_var = 4.0 ** powers.double() - EPS  # its square root is a power of two
        norm.running_mean = self.on_grid(torch.randn(shape[0]).double() * 0.2)
        return norm

    def convolution(self, shape):
        conv = nn.Conv1d if len(shape) == 2 else nn.Conv2d
        groups = self.one_of(1, 1, 2)
        kernel, stride = int(self.rng.integers(1, 4)), self.one_of(1, 1, 2)
        return conv(shape[0], 4, kernel, stride, padding=1, groups=groups, bias=self.odds(0.7))

    def transposed(self, shape):
        conv = nn.ConvTranspose1d if len(shape) == 2 else nn.ConvTranspose2d
        stride = 2 if max(shape[1:]) <= 4 else 1
        extra = self.one_of(0, 1) if stride == 2 else 0
        return conv(
            *(shape[0], 4, 3, stride),
            padding=1,
            output_padding=extra,
            groups=self.one_of(1, 2),
            bias=self.odds(0.7),
        )

    def pool(self, shape):
        line = len(shape) == 2
        average, adaptive, power = (
            (nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.LPPool1d)
            if line
            else (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.LPPool2d)
        )
        halved = tuple(n // 2 for n in shape[1:])
        return self.one_of(
            average(2), average(2, padding=1), adaptive(halved[0] if line else halved), power(1, 2)
        )

    def upsample(self, shape):
        return nn.Upsample(scale_factor=2)

    # --- neurons

    def neuron(self, shape):
        kinds = ["lif", "iaf", "lsnn"]
        if not self.over_time:
            kinds += ["lif", "lifbox", "lifbox", "lifbox", "iaf", "refractory"]
        return getattr(self, self.one_of(*kinds))(shape)

    def constant(self, shape, low, high):
        dtype = self.one_of(torch.float32, torch.float64)
        size = shape if self.odds(0.3) and not self.over_time else ()
        return torch.as_tensor(self.rng.uniform(low, high, size)).to(dtype)

    def leak(self, shape):
        """v_leak; Norse's layers over time round the potential they start at to float32."""
        leak = self.constant(shape, -0.2, 0.1)
        return leak.float() if self.over_time else leak

    def lif(self, shape):
        p = norse.LIFParameters(
            self.constant(shape, 50, 900),
            self.constant(shape, 50, 900),
            self.leak(shape),
            self.constant(shape, 0.15, 0.5),
            self.constant(shape, -0.3, 0.1),
        )
        return (norse.LIF if self.over_time else norse.LIFCell)(p, dt=self.dt)

    def lifbox(self, shape):
        p = norse.LIFBoxParameters(
            self.constant(shape, 50, 900),
            self.leak(shape),
            self.constant(shape, 0.15, 0.5),
            self.constant(shape, -0.3, 0.1),
            reset_method=self.one_of(reset_value, reset_subtract),
        )
        return norse.LIFBoxCell(p, dt=self.dt)

    def iaf(self, shape):
        p = norse.IAFParameters(self.constant(shape, 0.5, 3), self.constant(shape, -0.5, 0.3))
        return (norse.IAF if self.over_time else norse.IAFCell)(p, dt=self.dt)

    def lsnn(self, shape):
        p = LSNNParameters(
            self.constant(shape, 50, 900),
            self.constant(shape, 50, 900),
            self.constant(shape, 0, 200),
            self.leak(()),  # Norse's cell starts from one number
            self.constant((), 0.15, 0.5),
            self.constant(shape, -0.3, 0.1),
            self.constant(shape, 0, 0.3),
        )
        return (norse.LSNN if self.over_time else norse.LSNNCell)(p, dt=self.dt)

    def refractory(self, shape):
        p = norse.LIFParameters(
            self.constant(shape, 50, 900),
            self.constant(shape, 50, 900),
            self.leak(()),
            self.constant(shape, 0.15, 0.5),
            self.constant(shape, -0.3, 0.1),
        )
        return norse.LIFRefracCell(LIFRefracParameters(p, self.constant(shape, 0, 4)), dt=self.dt)

    def recurrent_lif(self, shape, hidden):
        p = norse.LIFParameters(
            torch.tensor(0.5 / self.dt),
            self.constant((hidden,), 50, 900),
            self.leak(()),
            self.constant((hidden,), 0.15, 0.5),
            self.constant((hidden,), -0.3, 0.1),
        )
        kind = norse.LIFRecurrent if self.over_time else norse.LIFRecurrentCell
        return kind(*shape, hidden, p, autapses=self.odds(0.5), dt=self.dt)

    def readout(self, shape):
        syn, mem = self.constant(shape, 50, 900), self.constant(shape, 50, 900)
        leak = self.leak(shape)
        if self.over_time:
            return norse.LI(norse.LIParameters(syn, mem, leak), dt=self.dt)
        li = norse.LICell(norse.LIParameters(syn, mem, leak), dt=self.dt)
        box = norse.LIBoxCell(norse.LIBoxParameters(mem, leak), dt=self.dt)
        return self.one_of(li, box, self.neuron(shape))

    # --- networks

    def body(self, shape):
        """A few layers, and neurons, that keep the shape."""
        last = self.one_of(self.keeping(shape), self.neuron(shape), self.batch_norm(shape))
        layers = (self.keeping(shape), self.neuron(shape), last)
        return norse.SequentialState(*map(self.over_steps, layers))

    def joint(self, shape):
        """A module with its own joins."""
        loops = self.recurrent and not self.over_time
        kinds = ["residual", "joined"] + ["fed back", "around"] * loops
        kind = self.one_of(*kinds)
        if kind == "residual":
            return Residual(self.body(shape))
        if kind == "joined":
            return Joined(self.body(shape), self.body(shape), 2 if self.over_time else 1)
        if kind == "fed back":
            return FedBack(self.lifbox(shape), self.keeping(shape))
        return norse.RecurrentSequential(self.keeping(shape), self.lifbox(shape))

    def over_steps(self, *layers):
        """Layers as a network over time takes them: what keeps no state is lifted."""
        layer = layers[0] if len(layers) == 1 else nn.Sequential(*layers)
        return norse.Lift(layer) if self.over_time and not isinstance(layer, STATEFUL) else layer

    def network(self):
        """A model, and the shape of its sample."""
        first = shape = self.one_of(*SHAPES)
        layers = []

        def add(layer):
            nonlocal shape
            layers.append(self.over_steps(layer))
            shape = shape_behind(layer, shape, self.over_time)

        for _ in range(int(self.rng.integers(1, 4))):
            first_linear = len(layers)
            for _ in range(int(self.rng.integers(0, 3))):
                add(self.linear(shape))
            if self.over_time and len(layers) > first_linear and self.odds(0.5):
                lifted = [layer.lifted_module for layer in layers[first_linear:]]
                layers[first_linear:] = [self.over_steps(*lifted)]
            if self.odds(0.4):
                add(self.joint(shape))
            add(self.neuron(shape))
        if len(shape) > 1:
            layers.append(nn.Flatten(2 if self.over_time else 1))
            shape = (int(np.prod(shape)),)
        if self.recurrent and self.odds(0.6):
            add(self.recurrent_lif(shape, 6))
        if not self.over_time and self.odds(0.2):
            add(nn.Linear(*shape, 6))
            add(nn.Unflatten(1, (2, 3)))
            add(self.neuron(shape))
            add(nn.Flatten())
        add(nn.Linear(*shape, 3))
        add(self.readout(shape))
        return norse.SequentialState(*layers), first

    def on_grid(self, values):
        return torch.round(values * GRID) / GRID


def shape_behind(layer, shape, over_time):
    """Of one sample in one step; what runs over time is given a single step."""
    leads = (1, 1) if over_time and isinstance(layer, STATEFUL) else (1,)
    with torch.no_grad():
        out = layer.double().eval()(torch.zeros(*leads, *shape, dtype=torch.float64))
    out = out[0] if isinstance(out, tuple) else out
    return tuple(out.shape[len(leads) :])


def random_network(seed, over_time=None):
    """A model in float64 and its input, (STEPS, *shape) float64 of 0 and 1."""
    make = Maker(seed, over_time)
    model, shape = make.network()
    model = model.double().eval()
    with torch.no_grad():
        for weight in model.parameters():  # as large as makes most layers spike
            weight.copy_(make.on_grid(weight * 3))
    rate = make.one_of(0.2, 0.5, 0.8)
    return model, (make.rng.random((STEPS, *shape)) < rate).astype(np.float64)


def random_network_over_time(seed):
    """A model that takes all steps in one call, and its input, as `random_network`.

    Of its layers, or of the cells of one step that Norse's Lift repeats; some return one value per
    neuron.
    """
    draw = np.random.default_rng(seed)
    if draw.random() < 0.25:
        model, x = random_network(seed, over_time=False)
        return norse.Lift(model), x
    model, x = random_network(seed, over_time=True)
    hows = (None, None, "last", "sum", "mean")
    how = hows[int(draw.integers(len(hows)))]
    return (model if how is None else Reduced(model, how)), x
