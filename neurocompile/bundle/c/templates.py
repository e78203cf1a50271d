"""The fixed text of network.c, network.h and weights.h, around what is written for a network."""

from string import Template

WEIGHTS_H = Template("""\
/* The constant tables of the network. Written by neurocompile; change the network instead. */
#ifndef NC_WEIGHTS_H
#define NC_WEIGHTS_H

#include <stdint.h>

$tables

#endif
""")

HEADER = Template("""\
/* A spiking network in integers. Written by neurocompile; change the network instead.
 *
 * nc_init sets a state to the start of a sample, nc_step takes it through a step. The state holds
 * everything, so that a program may run several at a time. Nothing is allocated. README.md says
 * more.
 */
#ifndef NC_NETWORK_H
#define NC_NETWORK_H

#include <stdint.h>

/* Whether each step looks for numbers beyond their registers; without it such results are wrong. */
#ifndef NC_CHECKED
#define NC_CHECKED 1
#endif

#define NC_INPUTS $inputs /* values of a step: $kind */
#define NC_INPUT_LEAST ($low)
#define NC_INPUT_MOST $high
#define NC_OUTPUTS $outputs /* neurons of the output: $where */
#define NC_STEPS $steps /* steps of a sample, after which nc_init starts the next one */
#define NC_LAYERS $layers /* layers of neurons: $names */

/* What nc_step returns; nc_state.fault_layer says in which layer. After it only nc_init helps. */
#define NC_OK 0
#define NC_CURRENT 1U /* a synaptic current that one wrap does not bring back into 24 bits */
#define NC_STATE 2U   /* a state that nothing clips left 24 bits */
#define NC_READOUT 4U /* a readout reached its threshold */

#ifdef __cplusplus
extern "C" {
#endif

typedef $input nc_input;
typedef $index nc_index;

typedef struct {
    uint64_t steps; /* since nc_init */
    uint32_t fault_layer;
$fields
} nc_state;

/* The output layers one after the other, each in the order of its shape in PyTorch. */
typedef struct {
    int32_t spikes[NC_OUTPUTS];     /* what each neuron sends in the step */
    int32_t potentials[NC_OUTPUTS]; /* after the reset */
} nc_output;

/* Start a sample. */
void nc_init(nc_state *s);

/* One step: NC_INPUTS values in the order of their shape in PyTorch; `output` may be NULL. */
int nc_step(nc_state *s, const nc_input *input, nc_output *output);

/* Layer k of NC_LAYERS: its name and size; the neurons in the order of its shape in PyTorch. */
const char *nc_layer_name(uint32_t layer);
uint32_t nc_layer_size(uint32_t layer);
int32_t nc_spike(const nc_state *s, uint32_t layer, uint32_t neuron);
int32_t nc_potential(const nc_state *s, uint32_t layer, uint32_t neuron);

/* CRC-32 of the constant tables. */
uint32_t nc_tables_digest(void);

#ifdef __cplusplus
}
#endif

#endif
""")

SOURCE = Template("""\
/* The step of the network. Written by neurocompile; change the network instead. */
#include "network.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "weights.h"
$helpers$functions
$steps
void nc_init(nc_state *s)
{
    memset(s, 0, sizeof *s);
$starts
}

static int nc_fault(nc_state *s, uint32_t bad, uint32_t layer)
{
    s->fault_layer = layer;
    if ((bad & NC_CURRENT) != 0U) {
        return (int)NC_CURRENT;
    }
    return (int)(((bad & NC_STATE) != 0U) ? NC_STATE : NC_READOUT);
}

int nc_step(nc_state *s, const nc_input *input, nc_output *output)
{
    uint32_t bad;
$turn
$calls
    s->steps += 1U;
    if (output != NULL) {
$copies
    }
    return NC_OK;
}

static const char *const names[NC_LAYERS] = {
    $names,
};
static const uint32_t sizes[NC_LAYERS] = {$sizes};

const char *nc_layer_name(uint32_t layer)
{
    return names[layer];
}

uint32_t nc_layer_size(uint32_t layer)
{
    return sizes[layer];
}

int32_t nc_spike(const nc_state *s, uint32_t layer, uint32_t neuron)
{
    switch (layer) {
$spikes
    default:
        return 0;
    }
}

int32_t nc_potential(const nc_state *s, uint32_t layer, uint32_t neuron)
{
    switch (layer) {
$potentials
    default:
        return 0;
    }
}

static uint32_t crc(uint32_t found, uint64_t value, uint32_t bytes)
{
    for (uint32_t b = 0; b < bytes; b++) {
        found ^= (uint32_t)((value >> (8U * b)) & 0xFFU);
        for (uint32_t k = 0; k < 8U; k++) {
            found = (found >> 1) ^ (((found & 1U) != 0U) ? 0xEDB88320U : 0U);
        }
    }
    return found;
}

uint32_t nc_tables_digest(void)
{
    uint32_t found = 0xFFFFFFFFU;
$digests
    return found ^ 0xFFFFFFFFU;
}
""")

HELPERS = {
    "nc_back": """
static uint32_t nc_back(uint32_t at, uint32_t steps, uint32_t slots)
{
    return (at >= steps) ? at - steps : at + slots - steps;
}
""",
    "nc_slot": """
static uint32_t nc_slot(uint32_t at, uint32_t slots)
{
    return (at < slots) ? at : at - slots;
}
""",
    **{
        f"nc_floor_{number}": f"""
static {number} nc_floor_{number}({number} x, uint32_t bits)
{{
    return (x < 0) ? -1 - ((-1 - x) >> bits) : x >> bits;
}}
"""
        for number in ("int32_t", "int64_t")
    },
}
