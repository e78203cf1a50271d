// Holds the module nc_layer against vectors/: every spike and every potential of every neuron.
// Written by neurocompile. It prints "all N values equal", or where the first one differs, and then
// ends with an error. vectors.vh says how much there is.
`timescale 1ns / 1ps
`include "vectors.vh"

module testbench;
    reg clk = 1'b0;
    reg begin_sample = 1'b0;
    reg begin_step = 1'b0;
    reg [`NC_LINES-1:0] sent = {`NC_LINES{1'b0}};
    wire ready, valid, spike, fault;
    wire [`NC_AT_BITS-1:0] neuron;
    wire signed [24:0] potential;

    nc_layer layer (
        .clk(clk), .begin_sample(begin_sample), .begin_step(begin_step), .sent(sent),
        .ready(ready), .valid(valid), .neuron(neuron), .spike(spike), .potential(potential),
        .fault(fault)
    );

    reg [`NC_LINES-1:0] arrives [0:`NC_SAMPLES*`NC_STEPS-1];
    reg [25:0] expected [0:`NC_SAMPLES*`NC_STEPS*`NC_NEURONS-1];
    integer sample, step, found, clocks, most, equal;
    reg [25:0] wanted;

    always #5 clk = ~clk;

    task tick;
        begin
            @(negedge clk);
            clocks = clocks + 1;
            if (valid) begin
                wanted = expected[((sample * `NC_STEPS) + step) * `NC_NEURONS + found];
                if (neuron != found[`NC_AT_BITS-1:0] || wanted != {spike, potential}) begin
                    $display("sample %0d, step %0d, neuron %0d: spike %0d, potential %0d, but the vectors have %0d and %0d",
                        sample + 1, step + 1, found, spike, potential, wanted[25], $signed(wanted[24:0]));
                    $fatal(1, "the module differs from the vectors");
                end
                equal = equal + 2;
                found = found + 1;
            end
        end
    endtask

    initial begin
        $readmemh("vectors/arrives.hex", arrives);
        $readmemh("vectors/expected.hex", expected);
        equal = 0;
        most = 0;
        step = 0;
        for (sample = 0; sample < `NC_SAMPLES; sample = sample + 1) begin
            found = 0;
            clocks = 0;
            begin_sample = 1'b1;
            tick;
            begin_sample = 1'b0;
            while (!ready) tick;
            for (step = 0; step < `NC_STEPS; step = step + 1) begin
                found = 0;
                clocks = 0;
                sent = arrives[sample * `NC_STEPS + step];
                begin_step = 1'b1;
                tick;
                begin_step = 1'b0;
                while (!ready) tick;
                if (clocks > most) most = clocks;
                if (found != `NC_NEURONS || fault)
                    $fatal(1, "sample %0d, step %0d: %0d of %0d neurons answered, fault %0d",
                        sample + 1, step + 1, found, `NC_NEURONS, fault);
            end
        end
        $display("all %0d values equal: spikes and potentials of %0d neurons, %0d samples of %0d steps",
            equal, `NC_NEURONS, `NC_SAMPLES, `NC_STEPS);
        $display("clocks of the longest step: %0d", most);
        $finish;
    end
endmodule
