"""The text of a layer's module, in the Verilog-2001 that tools of synthesis accept.

In:  a CircuitLayer.
Out: layer.v, and the tables that fill its memories, as hexadecimal text; what they take.
The module is serial, for small circuits: a clock for each line that it looks at, each weight that
it adds and each neuron that takes its step. Memories are read a clock ahead, so that they become
block RAM.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import Template

import numpy as np

from neurocompile.bundle.c.names import comment, indented
from neurocompile.bundle.verilog.layer import STATE_WIDTH, CircuitLayer, width_of
from neurocompile.ir.arrays import Array

MODULE = Template("""\
// Layer "$name" of a spiking network: $neurons neurons ($kind), $lines lines, $entries weights.
// Written by neurocompile. README.md describes the interface.
module nc_layer (
    input  wire clk,
    input  wire begin_sample,          // while ready: all states go to where a sample starts
    input  wire begin_step,            // while ready: takes all neurons through a step
    input  wire [$line_top:0] sent,  // lines that carry a spike; held until ready again
    output wire ready,
    output reg  valid,                 // for a clock: the outputs below are a neuron's
    output reg  [$at_top:0] neuron,
    output reg  spike,
    output reg  signed [$state_top:0] potential,  // after the reset
    output reg  fault                  // a number left its register; until begin_sample
);
    localparam IDLE = 3'd0, LOOK = 3'd1, ADD = 3'd2, DRAIN = 3'd3, PASS = 3'd4, LAST = 3'd5;

    reg [2:0] phase;
    reg fresh;                         // the pass over the neurons begins a sample
    reg [$count_top:0] line;
    reg [$entry_top:0] entry;
    reg [$at_top:0] at;

    // Of a spike, each weight: it is read, then the sum it belongs to, then both are added
    reg [$word_top:0] weights [0:$entry_last];
    reg signed [$sum_top:0] sums [0:$last];
    reg adding, summing;
    reg [$word_top:0] word;
    reg [$at_top:0] summed;
    reg signed [$sum_top:0] weight, sum;
$declared
    // Of a neuron: its sum, states and constants are read, then its states are written
    reg [$states_top:0] states [0:$last];
    reg stepping;
    reg [$at_top:0] stepped;
    reg [$states_top:0] held;
$step
    initial begin
        phase = IDLE;
        adding = 1'b0;
        summing = 1'b0;
        stepping = 1'b0;
        valid = 1'b0;
        fault = 1'b0;
$fill
    end

    assign ready = (phase == IDLE);

    wire [$at_top:0] sum_at = stepping ? stepped : summed;
    wire signed [$sum_top:0] sum_in = stepping ? $sum_zero : sum + weight;
    wire [$at_top:0] sum_read = (phase == PASS) ? at : target;

    always @(posedge clk) begin
        word <= weights[entry];
        sum <= sums[sum_read];
        held <= states[at];
$read        if (summing || stepping)
            sums[sum_at] <= sum_in;
        if (stepping)
            states[stepped] <= fresh ? $begins : $ends;
    end

    always @(posedge clk) begin
        adding <= (phase == ADD);
        summing <= adding;
        summed <= target;
        weight <= $weight;
        stepping <= (phase == PASS);
        stepped <= at;
        valid <= stepping && !fresh;
        neuron <= stepped;
        spike <= |$spike;
        potential <= $potential[$state_top:0];
        if (stepping && !fresh && ($faults))
            fault <= 1'b1;
        case (phase)
            IDLE: begin
                line <= $count_zero;
                at <= $at_zero;
                fresh <= begin_sample;
$idle                if (begin_sample) begin
                    fault <= 1'b0;
                    phase <= PASS;
                end else if (begin_step)
                    phase <= LOOK;
            end
            LOOK: begin
                line <= line + 1'b1;
$look            end
            ADD: begin
                entry <= entry + 1'b1;
$add            end
            DRAIN:
                phase <= PASS;
            PASS: begin
                at <= at + 1'b1;
                if (at == $at_last)
                    phase <= LAST;
            end
            default:                   // LAST: the last neuron is written
                phase <= IDLE;
        endcase
    end
endmodule
""")

DENSE = {  # every line reaches every neuron, in order
    "declared": """\
    reg [$at_top:0] reached, target;
    reg [$entry_top:0] row;
""",
    "read": "        target <= reached;\n",
    "idle": "                row <= $entry_zero;\n",
    "look": """\
                entry <= row;
                reached <= $at_zero;
                row <= row + $row;
                if (line == $count_last)
                    phase <= DRAIN;
                else if (sent[$line])
                    phase <= ADD;
""",
    "add": """\
                reached <= reached + 1'b1;
                if (reached == $at_last)
                    phase <= LOOK;
""",
}
LISTED = {  # each weight with its neuron; `first` says where a line's weights begin
    "declared": """\
    reg [$first_top:0] first [0:$lines];
    wire [$at_top:0] target = word[$word_top:$weight_width];
    wire [$first_top:0] begins = first[line];
    wire [$first_top:0] ends = (line == $count_last) ? begins : first[line + 1'b1];
    reg [$first_top:0] left;
""",
    "read": "",
    "idle": "",
    "look": """\
                entry <= begins[$entry_top:0];
                left <= ends - begins;
                if (line == $count_last)
                    phase <= DRAIN;
                else if (sent[$line] && (ends != begins))
                    phase <= ADD;
""",
    "add": """\
                left <= left - 1'b1;
                if (left == $first_one)
                    phase <= LOOK;
""",
}


def bits(count: int) -> int:
    """Bits of a number below `count`, at least one."""
    return max((count - 1).bit_length(), 1)


def module(layer: CircuitLayer) -> tuple[str, dict[str, str], dict[str, int]]:
    """The module of a layer.

    Returns:
        Its text; the tables by file name; bits of read-only memory ("rom") and of memory ("ram").
    """
    at, entries, lines = bits(layer.neurons), len(layer.weights), layer.sources
    entry, count, first = bits(entries), lines.bit_length(), entries.bit_length()
    weight, sums = width_of(layer.weights), layer.sum_width
    word = weight if layer.dense else weight + at
    packed = STATE_WIDTH * len(layer.node.state_names)
    tables = {"weights.hex": _weights(layer, weight, word)}
    rom = entries * word
    if not layer.dense:
        tables["first.hex"] = hexadecimal(layer.first, first)
        rom += len(layer.first) * first
    step, read, begins, own = _step(layer, at)
    if own:
        tables["constants.hex"], width = own
        rom += layer.neurons * width
    fill = [f'$readmemh("{name}", {name.removesuffix(".hex")});' for name in tables]
    form = DENSE if layer.dense else LISTED
    names = {
        "name": comment(layer.name),
        "kind": type(layer.node).__name__,
        "neurons": layer.neurons,
        "lines": lines,
        "entries": entries,
        "line_top": lines - 1,
        "line": f"line[{bits(lines) - 1}:0]" if lines > 1 else "0",
        "at_top": at - 1,
        "at_zero": f"{at}'d0",
        "at_last": f"{at}'d{layer.neurons - 1}",
        "last": layer.neurons - 1,
        "state_top": STATE_WIDTH - 1,
        "states_top": packed - 1,
        "count_top": count - 1,
        "count_zero": f"{count}'d0",
        "count_last": f"{count}'d{lines}",
        "entry_top": entry - 1,
        "entry_last": entries - 1,
        "entry_zero": f"{entry}'d0",
        "row": f"{entry}'d{layer.neurons % (1 << entry)}",
        "first_top": first - 1,
        "first_one": f"{first}'d1",
        "word_top": word - 1,
        "weight_width": weight,
        "weight": _extended("word", weight - 1, 0, sums),
        "sum_top": sums - 1,
        "sum_zero": f"{sums}'sd0",
        "step": "\n".join(indented(step)) + "\n",
        "begins": begins,
        "ends": _joined(f"{layer.after[n]}[{STATE_WIDTH - 1}:0]" for n in layer.node.state_names),
        "spike": layer.spike,
        "potential": layer.after["v"],
        "faults": " || ".join(f"({each})" for each in layer.faults) or "1'b0",
        "fill": "\n".join(indented(fill, 2)),
    }
    parts = {part: Template(text).substitute(names) for part, text in form.items()}
    parts["read"] += read
    ram = layer.neurons * (packed + sums)
    return MODULE.substitute(names, **parts), tables, {"rom": rom, "ram": ram}


def _weights(layer: CircuitLayer, weight: int, word: int) -> str:
    """The stored weights, with their neurons where these are listed."""
    stored = layer.weights & ((1 << weight) - 1)
    return hexadecimal(stored if layer.dense else (layer.targets << weight) | stored, word)


def _step(layer: CircuitLayer, at: int) -> tuple[list[str], str, str, tuple[str, int] | None]:
    """Wires of a step; what is read with a neuron; where its states begin; table of constants."""
    width = int(layer.statements[0].split("[")[1].split(":")[0]) + 1
    wire = f"wire signed [{width - 1}:0]"
    fields = {f"p_{name}": values for name, values in layer.constants.items()}
    begins, names = [], layer.node.state_names
    for name in names:
        values = layer.starts.get(name, np.zeros(1, np.int64))
        if np.all(values == values[0]):
            begins.append(f"{STATE_WIDTH}'d{int(values[0]) % (1 << STATE_WIDTH)}")
        else:
            fields[f"b_{name}"] = values
            begins.append(f"b_{name}[{STATE_WIDTH - 1}:0]")
    packed, low, slices = np.zeros(layer.neurons, object), 0, []
    for name, values in fields.items():
        bits_of = width_of(values)
        packed += (values.astype(object) & ((1 << bits_of) - 1)) << low
        slices.append(f"{wire} {name} = {_extended('own', low + bits_of - 1, low, width)};")
        low += bits_of
    lines, read = [], ""
    if fields:
        lines = [
            f"reg [{low - 1}:0] constants [0:{layer.neurons - 1}];",
            f"reg [{low - 1}:0] own;",
        ]
        read = "        own <= constants[at];\n"
    for k, name in enumerate(reversed(names)):
        top = STATE_WIDTH * (k + 1) - 1
        slices.append(f"{wire} s_{name} = {_extended('held', top, top + 1 - STATE_WIDTH, width)};")
    slices.append(f"{wire} raw = {_extended('sum', layer.sum_width - 1, 0, width)};")
    slices.append(f"{wire} total = (raw <<< {layer.left}) >>> {layer.right};")
    table = (hexadecimal(packed, low), low) if fields else None
    return [*lines, *slices, *layer.statements], read, _joined(begins), table


def _extended(name: str, high: int, low: int, width: int) -> str:
    """Bits of a register as a signed number of this width."""
    more = width - (high - low + 1)
    field = f"{name}[{high}:{low}]" if high > low else f"{name}[{high}]"
    return f"{{{{{more}{{{name}[{high}]}}}}, {field}}}" if more else field


def _joined(parts: Iterable[str]) -> str:
    return "{" + ", ".join(parts) + "}"


def hexadecimal(values: Array, width: int) -> str:
    """Whole numbers of 0 or more as $readmemh reads them, one a line."""
    digits = -(-width // 4)
    return "".join(f"{int(value):0{digits}x}\n" for value in values)
