"""The forms of the networks that people write with Norse, small and with random weights.

In:  nothing.
Out: modules, each with an example of its input; what the refused ones are changed to.
The forms are those of Norse's own tasks, models and notebooks (MNIST, CIFAR-10, DVS, speech,
cartpole, memory, ...) and of projects that use it; the code is our own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import norse.torch as norse
import torch
import torch.nn.functional as F
from norse.torch.models.conv import ConvNet, ConvNet4
from torch import nn


def lif(threshold=0.3, **more):
    return norse.LIFParameters(v_th=torch.tensor(threshold), **more)


def box(threshold=0.2, **more):
    return norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(300.0), v_th=torch.tensor(threshold), **more
    )


class Hidden(nn.Module):
    """The layers that most forms share: 12 inputs, 9 hidden neurons, 4 outputs."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(12, 9)
        self.lif1 = norse.LIFCell(lif())
        self.fc2 = nn.Linear(9, 4, bias=False)
        self.out = norse.LICell()


class Voltages(Hidden):
    """The MNIST notebook: a list of voltages, stacked; states that begin as None."""

    def forward(self, x):
        seq_length, _batch, _, _, _ = x.shape
        s1 = so = None
        voltages = []
        for ts in range(seq_length):
            z = x[ts, :, :, :].view(-1, 12)
            z, s1 = self.lif1(self.fc1(z), s1)
            vo, so = self.out(self.fc2(z), so)
            voltages += [vo]
        return torch.stack(voltages)


class RecurrentVoltages(nn.Module):
    """The MNIST notebook's recurrent form; a tensor of zeros that is filled."""

    def __init__(self):
        super().__init__()
        self.l1 = norse.LIFRecurrentCell(12, 9, p=lif(alpha=torch.tensor(100.0)))
        self.fc_out = nn.Linear(9, 4, bias=False)
        self.out = norse.LICell()

    def forward(self, x):
        steps, batch = x.shape[0], x.shape[1]
        s1 = so = None
        voltages = torch.zeros(steps, batch, 4, device=x.device, dtype=x.dtype)
        for ts in range(steps):
            z, s1 = self.l1(x[ts], s1)
            voltages[ts, :, :], so = self.out(self.fc_out(z), so)
        return voltages


def decode(x):
    x, _ = torch.max(x, 0)
    return F.log_softmax(x, dim=1)


class Decoded(nn.Module):
    """The MNIST notebook's model: an encoder, a network, a decoder."""

    def __init__(self, encoder, snn):
        super().__init__()
        self.encoder = encoder
        self.snn = snn

    def forward(self, x):
        x = self.encoder(x)
        return decode(self.snn(x))


def conv_net():
    """Norse's own, on images of 16 by 16."""
    return ConvNet(feature_size=16)


class MnistTask(nn.Module):
    """norse.task.mnist, whose module needs tensorboard: an encoder after a factor, Norse's net."""

    def __init__(self):
        super().__init__()
        self.encoder = norse.ConstantCurrentLIFEncoder(seq_length=12)
        self.rsnn = ConvNet4(feature_size=16)

    def forward(self, x):
        batch = x.shape[0]
        x = self.encoder(x.view(-1, 256) * 3.5)
        x = x.reshape(12, batch, 1, 16, 16)
        m, _ = torch.max(self.rsnn(x), 0)
        return F.log_softmax(m, dim=1)


class Cifar(nn.Module):
    """norse.task.cifar10: the image as a constant current, two sequences, self.seq_length."""

    def __init__(self, noise=0.0):
        super().__init__()
        self.seq_length = 10
        self.noise = noise
        self.features = norse.SequentialState(
            nn.Conv2d(3, 4, 3, padding=1, bias=False),
            norse.LIFCell(lif(0.05)),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3, padding=1, bias=False),
            norse.LIFCell(lif(0.05)),
            nn.MaxPool2d(2),
            nn.Flatten(1),
        )
        self.classification = norse.SequentialState(nn.Linear(20, 10, bias=False), norse.LICell())

    def forward(self, x):
        voltages = torch.empty(self.seq_length, x.shape[0], 10, device=x.device, dtype=x.dtype)
        sf = sc = None
        for ts in range(self.seq_length):
            out_f, sf = self.features(x, sf)
            out_c, sc = self.classification(out_f, sc)
            if self.noise:
                out_c = out_c + self.noise * torch.randn(x.shape[0], 10, device=x.device)
            voltages[ts, :, :] = out_c
        y_hat, _ = torch.max(voltages, 0)
        return y_hat


class Cartpole(nn.Module):
    """norse.task.cartpole: positive and negative values, each encoded; a softmax at the end."""

    def __init__(self):
        super().__init__()
        self.constant_current_encoder = norse.ConstantCurrentLIFEncoder(20)
        self.lif = norse.LIFRecurrentCell(8, 16, p=lif(alpha=100.0))
        self.dropout = nn.Dropout(p=0.5)
        self.readout = norse.LILinearCell(16, 2)

    def forward(self, x):
        scale = 50
        x_pos = self.constant_current_encoder(F.relu(scale * x))
        x_neg = self.constant_current_encoder(F.relu(-scale * x))
        x = torch.cat([x_pos, x_neg], dim=2)
        seq_length, batch_size, _ = x.shape
        voltages = torch.zeros(seq_length, batch_size, 2, device=x.device)
        s1 = so = None
        for ts in range(seq_length):
            z1, s1 = self.lif(x[ts, :, :], s1)
            z1 = self.dropout(z1)
            vo, so = self.readout(z1, so)
            voltages[ts, :, :] = vo
        m, _ = torch.max(voltages, 0)
        return F.softmax(m, dim=1)


class Memory(nn.Module):
    """norse.task.memory: batch first, x.unbind(1), lists that are stacked a few steps at a time."""

    def __init__(self, seq_length=4):
        super().__init__()
        self.seq_length = seq_length
        self.layer = norse.LIFRecurrentCell(6, 6, p=lif(0.1))
        self.readout = norse.LILinearCell(6, 3)

    def forward(self, x):
        sl = sr = None
        seq_spikes, step_spikes, seq_readouts, step_readouts = [], [], [], []
        for index, x_step in enumerate(x.unbind(1)):
            spikes, sl = self.layer(x_step, sl)
            seq_spikes.append(spikes)
            v, sr = self.readout(spikes, sr)
            seq_readouts.append(v)
            if (index + 1) % self.seq_length == 0:
                step_spikes.append(torch.stack(seq_spikes))
                seq_spikes = []
                step_readouts.append(torch.stack(seq_readouts))
                seq_readouts = []
        return torch.cat(step_readouts), torch.cat(step_spikes)


class Speech(nn.Module):
    """norse.task.speech_commands: the voltages of the last step, a softmax."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell(10, 8)
        self.readout = norse.LILinearCell(8, 5)

    def forward(self, x):
        seq_length = x.shape[0]
        s = so = None
        for ts in range(seq_length):
            z, s = self.cell(x[ts, :], s)
            v, so = self.readout(z, so)
        return F.log_softmax(v, dim=1)


class EventCamera(nn.Module):
    """DVS gestures: batch first, an image in each step, the mean over time of a list."""

    def __init__(self):
        super().__init__()
        self.conv = norse.SequentialState(
            nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4),
            norse.LIFBoxCell(box(0.1)),
            nn.AvgPool2d(2),
            nn.Dropout(0.1),
            nn.Flatten(),
            nn.Linear(16, 11),
            norse.LIBoxCell(),
        )

    def forward(self, x):
        state, outs = None, []
        for t in range(x.size(1)):
            out, state = self.conv(x[:, t], state)
            outs.append(out)
        return torch.stack(outs, dim=1).mean(dim=1)


class OneStep(nn.Module):
    """forward(x, state=None), called in a loop by another module."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(12, 9), nn.Linear(9, 4)
        self.lif1, self.lif2 = norse.LIFCell(lif()), norse.LIFBoxCell(box(0.1))

    def forward(self, x, state=None):
        s1, s2 = state or (None, None)
        z, s1 = self.lif1(self.fc1(x), s1)
        z, s2 = self.lif2(self.fc2(z), s2)
        return z, (s1, s2)


class Outer(nn.Module):
    """A loop around a module of one step; the sum of its spikes, in each round."""

    def __init__(self):
        super().__init__()
        self.net = OneStep()

    def forward(self, x):
        state, counts = None, 0
        for xt in x:
            z, state = self.net(xt, state)
            counts = counts + z
        return counts


class SumOfSpikes(Hidden):
    """A sum that begins as zeros; an image that is shown in every step, self.T of them."""

    T = 14

    def forward(self, x):
        s1 = None
        out = torch.zeros(x.shape[0], 9, device=x.device)
        for _ in range(self.T):
            z, s1 = self.lif1(self.fc1(x), s1)
            out += z
        return out / self.T


class BeforeTheLoop(Hidden):
    """The current of a constant image, computed once before the loop."""

    def forward(self, x):
        current = self.fc1(x.flatten(1))
        s1 = so = None
        for _ in range(12):
            z, s1 = self.lif1(current, s1)
            v, so = self.out(self.fc2(z), so)
        return v


class StatesAsTensors(Hidden):
    """States that begin as tensors of zeros."""

    def forward(self, x):
        batch = x.shape[1]
        s1 = norse.LIFFeedForwardState(
            v=torch.zeros(batch, 9, device=x.device), i=torch.zeros(batch, 9, device=x.device)
        )
        so = norse.LIState(v=torch.zeros(batch, 4), i=torch.zeros(batch, 4))
        out = []
        for t in range(len(x)):
            z, s1 = self.lif1(self.fc1(x[t]), s1)
            v, so = self.out(self.fc2(z), so)
            out.append(v)
        return torch.stack(out, 1)


class SharedCell(nn.Module):
    """One cell for two layers, each with a state of its own, as Norse's cells allow."""

    def __init__(self):
        super().__init__()
        self.lif = norse.LIFCell(lif())
        self.fc1, self.fc2, self.fc3 = nn.Linear(12, 9), nn.Linear(9, 7), nn.Linear(7, 4)
        self.out = norse.LICell()

    def forward(self, x):
        s1 = s2 = so = None
        outs = []
        for t in range(x.shape[0]):
            z, s1 = self.lif(self.fc1(x[t]), s1)
            z, s2 = self.lif(self.fc2(z) * 2.0, s2)
            v, so = self.out(self.fc3(z), so)
            outs.append(v)
        return torch.stack(outs).mean(0)


class OwnRecurrence(Hidden):
    """Spikes that come back through a layer of the user's own, from zeros."""

    def __init__(self):
        super().__init__()
        self.back = nn.Linear(9, 9)

    def forward(self, x):
        z = torch.zeros(x.shape[1], 9, device=x.device, dtype=x.dtype)
        s1 = so = None
        outs = []
        for t in range(x.shape[0]):
            z, s1 = self.lif1(self.fc1(x[t]) + self.back(z), s1)
            v, so = self.out(self.fc2(z), so)
            outs.append(v)
        return torch.stack(outs)


class LateRecurrence(OwnRecurrence):
    """Spikes that come back from the second step on; the largest voltage is kept in each round."""

    def __init__(self):
        super().__init__()
        self.back = nn.Linear(9, 9, bias=False)

    def forward(self, x):
        z = s1 = so = best = None
        for t in range(x.shape[0]):
            current = self.fc1(x[t])
            if z is not None:
                current = current + self.back(z)
            z, s1 = self.lif1(current, s1)
            v, so = self.out(self.fc2(z), so)
            best = v if best is None else torch.maximum(best, v)
        return best


class Skip(nn.Module):
    """A residual network, whose input is transposed to time first."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Conv1d(3, 3, 3, padding=1) for _ in range(2))
        self.lif1, self.lif2 = norse.LIFBoxCell(box(0.1)), norse.LIFBoxCell(box(0.1))
        self.fc, self.out = nn.Linear(15, 4), norse.LIBoxCell()

    def forward(self, x):
        x = x.permute(1, 0, 2, 3)
        s1 = s2 = so = None
        outs = []
        for t in range(x.shape[0]):
            a, s1 = self.lif1(self.first(x[t]), s1)
            b, s2 = self.lif2(self.second(a) + a, s2)
            v, so = self.out(self.fc(torch.flatten(b, 1)), so)
            outs.append(v)
        return sum(outs)


class TimeLast(Hidden):
    """Time is the last axis, as event data of other tools have it."""

    def forward(self, x):
        s1, outs = None, []
        for t in range(x.shape[-1]):
            z, s1 = self.lif1(self.fc1(x[..., t]), s1)
            outs.append(z)
        return torch.stack(outs, dim=-1)


class Layers(nn.Module):
    """Layers and states in lists, an inner loop over them."""

    def __init__(self):
        super().__init__()
        sizes = [12, 9, 8, 4]
        pairs = list(pairwise(sizes))
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.cells = nn.ModuleList(norse.LIFBoxCell(box(0.05)) for _ in pairs)

    def forward(self, x):
        states = [None] * len(self.cells)
        outs = []
        for t in range(x.shape[0]):
            z = x[t]
            for i, (linear, cell) in enumerate(zip(self.linears, self.cells, strict=True)):
                z, states[i] = cell(linear(z), states[i])
            outs.append(z)
        return torch.stack(outs), torch.stack(outs).sum(0)


class LayerByLayer(Hidden):
    """A loop over time for each layer, one after the other."""

    def forward(self, x):
        s1 = so = None
        hidden, outs = [], []
        for t in range(x.shape[0]):
            z, s1 = self.lif1(self.fc1(x[t]), s1)
            hidden.append(z)
        spikes = torch.stack(hidden)
        for t in range(spikes.shape[0]):
            v, so = self.out(self.fc2(spikes[t]), so)
            outs.append(v)
        return torch.stack(outs)


class Autoencoder(nn.Module):
    """A convolutional autoencoder; the reconstruction is the last voltage."""

    def __init__(self):
        super().__init__()
        self.encoder = norse.SequentialState(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), norse.LIFCell(lif(0.1))
        )
        self.decoder = norse.SequentialState(
            nn.ConvTranspose2d(4, 1, 4, stride=2, padding=1), norse.LIBoxCell()
        )

    def forward(self, x):
        se = sd = None
        for t in range(x.shape[0]):
            z, se = self.encoder(x[t], se)
            y, sd = self.decoder(z, sd)
        return y


class OverTime(nn.Module):
    """Norse's layers over time, whose last step is the result."""

    def __init__(self, pool=None):
        super().__init__()
        self.net = norse.SequentialState(
            norse.Lift(nn.Conv2d(1, 4, 3)),
            norse.LIF(lif(0.1)),
            norse.Lift(pool or nn.AvgPool2d(2)),
            nn.Flatten(2),
            nn.Linear(36, 5, bias=False),
            norse.LI(),
        )

    def forward(self, x):
        voltages, _ = self.net(x)
        return voltages[-1]


class OverTimeDecoded(OverTime):
    """Norse's layers over time; the largest voltage over time and a softmax after them."""

    def forward(self, x):
        voltages, _ = self.net(x)
        m, _ = torch.max(voltages, dim=0)
        return F.log_softmax(m, dim=1)


class PopulationCode(nn.Module):
    """An encoder of one spike for each value, inside of the model."""

    def __init__(self):
        super().__init__()
        self.encoder = norse.SpikeLatencyLIFEncoder(12)
        self.net = Speech(lambda a, b: norse.LIFRecurrentCell(a, b, p=lif()))

    def forward(self, x):
        return self.net(self.encoder(x))


def integrate_and_fire():
    cells = [norse.IAFCell(norse.IAFParameters(v_th=torch.tensor(v))) for v in (0.3, 0.5)]
    return norse.SequentialState(nn.Linear(12, 9), cells[0], nn.Linear(9, 4), cells[1])


def reset_by_subtraction():
    subtract = norse.reset_subtract
    return norse.SequentialState(
        nn.Linear(12, 9),
        norse.LIFBoxCell(box(0.2, reset_method=subtract)),
        nn.Linear(9, 4),
        norse.LIBoxCell(),
    )


def intro():
    return norse.SequentialState(
        nn.Linear(12, 9), norse.LIFRecurrentCell(9, 7, p=lif()), nn.Linear(7, 4), norse.LICell()
    )


def fed_back():
    inner = norse.RecurrentSequential(nn.Linear(9, 9), norse.LIFCell(lif()))
    return norse.SequentialState(nn.Linear(12, 9), inner, nn.Linear(9, 4), norse.LICell())


def lsnn_cell(a, b):
    low = {"v_th": torch.tensor(0.02), "beta": torch.tensor(0.05)}
    falls = norse.LSNNParameters(**low, tau_adapt_inv=torch.tensor(10.0))
    return norse.LSNNRecurrentCell(a, b, p=falls)


def recurrent_cell(a, b):
    return norse.LIFRecurrentCell(a, b, p=lif())


@dataclass(frozen=True)
class Form:
    """A form in which people write networks.

    Attributes:
        make: The network.
        shape: Of the example of its input.
        one_step: Whether its forward does one step, forward(x, state=None).
        max_pool: The option that its maximum pools need.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    one_step: bool = False
    max_pool: str | None = None


FORMS = {
    "MNIST notebook, voltages stacked": Form(Voltages, (15, 2, 1, 3, 4)),
    "MNIST notebook, recurrent, voltages filled in": Form(RecurrentVoltages, (15, 2, 12)),
    "MNIST notebook, Poisson encoder and decoder": Form(
        lambda: Decoded(norse.PoissonEncoder(15, f_max=400), Voltages()), (2, 1, 3, 4)
    ),
    "MNIST notebook, constant current encoder and decoder": Form(
        lambda: Decoded(norse.ConstantCurrentLIFEncoder(15), Voltages()), (2, 1, 3, 4)
    ),
    "MNIST task": Form(MnistTask, (2, 1, 16, 16), max_pool="neurons"),
    "ConvNet": Form(conv_net, (10, 2, 1, 16, 16), max_pool="neurons"),
    "cartpole task": Form(Cartpole, (2, 4)),
    "memory task": Form(Memory, (2, 16, 6)),
    "speech commands task": Form(lambda: Speech(recurrent_cell), (15, 2, 10)),
    "speech commands task with adaptive thresholds": Form(lambda: Speech(lsnn_cell), (15, 2, 10)),
    "DVS gestures, batch first": Form(EventCamera, (2, 15, 2, 8, 8)),
    "a loop around a module of one step": Form(Outer, (15, 2, 12)),
    "a module of one step": Form(OneStep, (2, 12), one_step=True),
    "a sum of spikes over an image": Form(SumOfSpikes, (2, 12)),
    "a current from before the loop": Form(BeforeTheLoop, (2, 3, 4)),
    "states as tensors": Form(StatesAsTensors, (15, 2, 12)),
    "one cell with two states": Form(SharedCell, (15, 2, 12)),
    "own recurrence from zeros": Form(OwnRecurrence, (15, 2, 12)),
    "own recurrence from the second step on": Form(LateRecurrence, (15, 2, 12)),
    "residual network, transposed input": Form(Skip, (2, 15, 3, 5)),
    "time last": Form(TimeLast, (2, 12, 15)),
    "layers in a list": Form(Layers, (15, 2, 12)),
    "layer by layer": Form(LayerByLayer, (15, 2, 12)),
    "convolutional autoencoder": Form(Autoencoder, (10, 2, 1, 6, 6)),
    "layers over time, last step": Form(OverTime, (10, 2, 1, 8, 8)),
    "layers over time with a maximum pool": Form(
        lambda: OverTime(nn.MaxPool2d(2)), (10, 2, 1, 8, 8), max_pool="neurons"
    ),
    "layers over time, decoded": Form(OverTimeDecoded, (10, 2, 1, 8, 8)),
    "introduction notebook": Form(intro, (2, 12), one_step=True),
    "integrate and fire": Form(integrate_and_fire, (2, 12), one_step=True),
    "reset by subtraction": Form(reset_by_subtraction, (2, 12), one_step=True),
    "RecurrentSequential": Form(fed_back, (2, 12), one_step=True),
}


@dataclass(frozen=True)
class Refused:
    """A form that is refused.

    Attributes:
        form: As people write it.
        words: What the refusal says to do.
        cured: The form after doing that.
    """

    form: Form
    words: str
    cured: Form


REFUSED = {
    "CIFAR-10 task with its noise": Refused(
        Form(lambda: Cifar(noise=0.001), (2, 3, 8, 8), max_pool="neurons"),
        "leave random numbers out",
        Form(Cifar, (2, 3, 8, 8), max_pool="neurons"),
    ),
    "speech commands task with exponential neurons": Refused(
        Form(lambda: Speech(norse.LIFExRecurrentCell), (15, 2, 10)),
        "LIFRecurrentCell",
        Form(lambda: Speech(recurrent_cell), (15, 2, 10)),
    ),
    "an encoder of latencies": Refused(
        Form(PopulationCode, (2, 10)),
        "encode the samples before it",
        Form(lambda: Speech(recurrent_cell), (16, 2, 10)),
    ),
}
