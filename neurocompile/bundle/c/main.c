/* Run the network: check it against its vectors, or take inputs from standard input.
 *
 *   ./run --check [FOLDER]   compare every spike and every potential with vectors/
 *   ./run --size             what the program takes
 *   ./run --time [N]         steps per second on the inputs in vectors/, N times over
 *   ./run [--binary] [--potentials] [--steps N]
 *                            read inputs step by step, and print the output of each step
 *
 * Exit codes: 0 good, 1 something differs, 2 bad input or output, 3 a number left its register.
 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "network.h"
#include "vectors.h"

#define GOOD 0
#define DIFFERS 1
#define BAD_INPUT 2
#define LEFT_REGISTER 3
#define HEADER_BYTES 32U
#define PATH_BYTES 4096U
#define WORD_BYTES 31U /* of a number, with its sign and leading zeros */
#define MANY(count) (((count) == 1) ? "" : "s")
#define LARGEST ((NC_INPUTS > NC_MOST_NEURONS) ? NC_INPUTS : NC_MOST_NEURONS)

static nc_state state;
static nc_output output;
static nc_input input[NC_INPUTS];
static unsigned char raw[4U * LARGEST]; /* a row of numbers as a file holds them */

/* --- Files of vectors ------------------------------------------------------------------------ */

typedef struct {
    FILE *stream;
    char path[PATH_BYTES];
    uint32_t crc;
} file;

static uint32_t crc_bytes(uint32_t found, const unsigned char *bytes, size_t count)
{
    static uint32_t table[256];
    if (table[1] == 0U) {
        for (uint32_t i = 0; i < 256U; i++) {
            uint32_t entry = i;
            for (uint32_t k = 0; k < 8U; k++) {
                entry = (entry >> 1) ^ (((entry & 1U) != 0U) ? 0xEDB88320U : 0U);
            }
            table[i] = entry;
        }
    }
    for (size_t i = 0; i < count; i++) {
        found = (found >> 8) ^ table[(found ^ bytes[i]) & 0xFFU];
    }
    return found;
}

/* A whole number of `bytes` bytes, little-endian. */
static int32_t number(const unsigned char *from, uint32_t bytes, int is_signed)
{
    int64_t found = 0;
    for (uint32_t b = bytes; b > 0U; b--) {
        found = found * 256 + from[b - 1U];
    }
    if (is_signed && (from[bytes - 1U] >= 128U)) {
        found -= (int64_t)1 << (8U * bytes);
    }
    return (int32_t)found;
}

/* Go behind the header of a file whose samples and steps are those of vectors.h, else a sentence. */
static int begun(file *f)
{
    unsigned char head[HEADER_BYTES];
    (void)fseek(f->stream, 0L, SEEK_SET);
    if ((fread(head, 1, sizeof head, f->stream) == sizeof head)
        && ((uint32_t)number(&head[12], 4U, 0) == NC_VECTOR_SAMPLES)
        && ((uint32_t)number(&head[16], 4U, 0) == NC_VECTOR_STEPS)) {
        return GOOD;
    }
    fprintf(stderr, "vectors.h was changed: %s holds other samples or steps than it says. Bundle the "
        "network again.\n",
        f->path);
    (void)fclose(f->stream);
    f->stream = NULL;
    return DIFFERS;
}

/* Open a file of vectors; GOOD where its bytes are those that were written, else a sentence. */
static int opened(file *f, const char *folder, const char *name, uint32_t expected)
{
    static unsigned char block[65536];
    uint32_t found = 0xFFFFFFFFU;
    size_t count;
    int length = snprintf(f->path, sizeof f->path, "%s/%s", folder, name);
    if ((length < 0) || ((size_t)length >= sizeof f->path)) {
        fprintf(stderr, "The path of the folder is too long.\n");
        return BAD_INPUT;
    }
    f->stream = fopen(f->path, "rb");
    if (f->stream == NULL) {
        fprintf(stderr, "%s cannot be read. Start in the folder of the program, or name that of "
            "the vectors: --check FOLDER.\n", f->path);
        return BAD_INPUT;
    }
    while ((count = fread(block, 1, sizeof block, f->stream)) > 0U) {
        found = crc_bytes(found, block, count);
    }
    if ((found ^ 0xFFFFFFFFU) != expected) {
        fprintf(stderr,
            "%s was changed: its CRC-32 is %08lx, but that of the vectors is %08lx. Bundle the "
            "network again.\n",
            f->path, (unsigned long)(found ^ 0xFFFFFFFFU), (unsigned long)expected);
        (void)fclose(f->stream);
        return DIFFERS;
    }
    return begun(f);
}

static int read_row(FILE *stream, uint32_t count, uint32_t bytes)
{
    return ((size_t)bytes * count <= sizeof raw) && (fread(raw, bytes, count, stream) == count);
}

static int read_input(FILE *stream)
{
    if (!read_row(stream, NC_INPUTS, NC_INPUT_BYTES)) {
        return 0;
    }
    for (uint32_t i = 0; i < NC_INPUTS; i++) {
        input[i] = (nc_input)number(&raw[i * NC_INPUT_BYTES], NC_INPUT_BYTES, NC_INPUT_SIGNED);
    }
    return 1;
}

/* --- Check ----------------------------------------------------------------------------------- */

static int tell_fault(int fault)
{
    const char *const what = (fault == (int)NC_CURRENT) ? "a synaptic current is beyond one wrap"
        : (fault == (int)NC_STATE) ? "a state that nothing clips left 24 bits"
                                   : "the readout reached its threshold";
    fprintf(stderr, "layer '%s', step %llu: %s.\n", nc_layer_name(state.fault_layer),
        (unsigned long long)state.steps + 1U, what);
    return LEFT_REGISTER;
}

/* Compare what a layer has with a row of a file; 0 if all is equal. */
static int compare(FILE *stream, const char *what, uint32_t layer, uint32_t bytes, const uint32_t at[2])
{
    const uint32_t count = nc_layer_size(layer);
    if (!read_row(stream, count, bytes)) {
        fprintf(stderr, "The vectors end early. Bundle the network again.\n");
        return BAD_INPUT;
    }
    for (uint32_t j = 0; j < count; j++) {
        const int32_t expected = number(&raw[j * bytes], bytes, bytes > 1U);
        const int32_t found = (what[0] == 's') ? nc_spike(&state, layer, j)
                                               : nc_potential(&state, layer, j);
        if (found != expected) {
            printf("DIFFERS: layer '%s', sample %lu, step %lu, neuron %lu: %s %ld, expected %ld\n",
                nc_layer_name(layer), (unsigned long)at[0] + 1U, (unsigned long)at[1] + 1U,
                (unsigned long)j + 1U, what, (long)found, (long)expected);
            return DIFFERS;
        }
    }
    return GOOD;
}

static int check(const char *folder)
{
    static file inputs, spikes, potentials;
    unsigned long long compared = 0;
    int found;
    if (nc_tables_digest() != NC_TABLES_CRC) {
        fprintf(stderr, "weights.c was changed: the CRC-32 of its tables is %08lx, but that of the "
            "network is %08lx. Bundle the network again.\n",
            (unsigned long)nc_tables_digest(), (unsigned long)NC_TABLES_CRC);
        return DIFFERS;
    }
    found = opened(&inputs, folder, "inputs.bin", NC_INPUTS_CRC);
    if (found == GOOD) {
        found = opened(&spikes, folder, "spikes.bin", NC_SPIKES_CRC);
    }
    if (found == GOOD) {
        found = opened(&potentials, folder, "potentials.bin", NC_POTENTIALS_CRC);
    }
    if (found != GOOD) {
        return found;
    }
    for (uint32_t sample = 0; sample < NC_VECTOR_SAMPLES; sample++) {
        nc_init(&state);
        for (uint32_t step = 0; step < NC_VECTOR_STEPS; step++) {
            const uint32_t at[2] = {sample, step};
            int fault;
            if (!read_input(inputs.stream)) {
                fprintf(stderr, "The vectors end early. Bundle the network again.\n");
                return BAD_INPUT;
            }
            fault = nc_step(&state, input, NULL);
            if (fault != NC_OK) {
                return tell_fault(fault);
            }
            for (uint32_t layer = 0; layer < NC_LAYERS; layer++) {
                int differs = compare(spikes.stream, "spike", layer, nc_spike_bytes[layer], at);
                if (differs == GOOD) {
                    differs = compare(potentials.stream, "potential", layer, 4U, at);
                }
                if (differs != GOOD) {
                    return differs;
                }
                compared += 2ULL * nc_layer_size(layer);
            }
        }
    }
    printf("all %llu values equal: spikes and potentials of %d layer%s, %lu sample%s of %lu step%s\n",
        compared, NC_LAYERS, MANY(NC_LAYERS), (unsigned long)NC_VECTOR_SAMPLES,
        MANY(NC_VECTOR_SAMPLES), (unsigned long)NC_VECTOR_STEPS, MANY(NC_VECTOR_STEPS));
    (void)fclose(inputs.stream);
    (void)fclose(spikes.stream);
    (void)fclose(potentials.stream);
    return GOOD;
}

/* --- Size and time --------------------------------------------------------------------------- */

static void size(void)
{
    printf("flash  %lu bytes of tables, %lu of them weights (%lu without gaps), and the code\n", NC_TABLE_BYTES, NC_WEIGHT_BYTES, NC_PACKED_BYTES);
    printf("RAM    %lu bytes of state\n", (unsigned long)sizeof(nc_state));
    printf("steps  %lu neurons to update, and %lu additions of weights on average in the vectors\n",
        NC_NEURONS, NC_ADDITIONS);
}

static int timed(const char *folder, long times)
{
    static file inputs;
    unsigned long long best = 0;
    const unsigned long long steps = (unsigned long long)NC_VECTOR_SAMPLES * NC_VECTOR_STEPS;
    const int found = opened(&inputs, folder, "inputs.bin", NC_INPUTS_CRC);
    if (found != GOOD) {
        return found;
    }
    for (long turn = 0; turn < times; turn++) {
        clock_t taken = 0;
        (void)fseek(inputs.stream, (long)HEADER_BYTES, SEEK_SET);
        for (uint32_t sample = 0; sample < NC_VECTOR_SAMPLES; sample++) {
            for (uint32_t step = 0; step < NC_VECTOR_STEPS; step++) {
                clock_t begun;
                int fault;
                if (!read_input(inputs.stream)) {
                    return BAD_INPUT;
                }
                begun = clock();
                if (step == 0U) {
                    nc_init(&state);
                }
                fault = nc_step(&state, input, &output);
                taken += clock() - begun;
                if (fault != NC_OK) {
                    return tell_fault(fault);
                }
            }
        }
        {
            const unsigned long long ticks = (taken > 0) ? (unsigned long long)taken : 1ULL;
            const unsigned long long rate = steps * (unsigned long long)CLOCKS_PER_SEC / ticks;
            best = (rate > best) ? rate : best;
        }
    }
    printf("%llu steps per second\n", best);
    (void)fclose(inputs.stream);
    return GOOD;
}

/* --- Inputs from outside --------------------------------------------------------------------- */

static unsigned long long done; /* steps that were read whole */

static int stopped(unsigned long read)
{
    fprintf(stderr, "The input stops in step %llu, after %lu of %lu values.\n", done + 1U, read,
        (unsigned long)NC_INPUTS);
    return BAD_INPUT;
}

static int beyond(unsigned long at, long value)
{
    fprintf(stderr, "Step %llu, value %lu is %ld, but an input is within %ld..%ld.\n", done + 1U,
        at + 1U, value, (long)NC_INPUT_LEAST, (long)NC_INPUT_MOST);
    return BAD_INPUT;
}

static int unread(void)
{
    fprintf(stderr, "The input cannot be read in step %llu. Give a file or a pipe.\n", done + 1U);
    return BAD_INPUT;
}

/* The next word of the input, cut off after WORD_BYTES; its length, 0 at the end. */
static size_t next_word(char word[WORD_BYTES + 1U])
{
    size_t length = 0U;
    int found;
    do {
        found = getchar();
    } while ((found != EOF) && (isspace(found) != 0));
    while ((found != EOF) && (isspace(found) == 0)) {
        if (length < WORD_BYTES) {
            word[length] = (char)found;
        }
        length += 1U;
        found = getchar();
    }
    word[(length < WORD_BYTES) ? length : WORD_BYTES] = '\0';
    return length;
}

/* Read a step; GOOD, BAD_INPUT, or -1 at the end. */
static int next_binary(void)
{
    const size_t count = fread(raw, 1, sizeof(unsigned char) * NC_INPUTS * NC_INPUT_BYTES, stdin);
    if (ferror(stdin) != 0) {
        return unread();
    }
    if (count == 0U) {
        return -1;
    }
    if (count < (size_t)NC_INPUTS * NC_INPUT_BYTES) {
        return stopped((unsigned long)(count / NC_INPUT_BYTES));
    }
    for (uint32_t i = 0; i < NC_INPUTS; i++) {
        const int32_t value = number(&raw[i * NC_INPUT_BYTES], NC_INPUT_BYTES, NC_INPUT_SIGNED);
        if ((value < NC_INPUT_LEAST) || (value > NC_INPUT_MOST)) {
            return beyond(i, value);
        }
        input[i] = (nc_input)value;
    }
    return GOOD;
}

static int next_text(void)
{
    for (uint32_t i = 0; i < NC_INPUTS; i++) {
        char word[WORD_BYTES + 1U];
        char *end;
        long value;
        const size_t length = next_word(word);
        if (ferror(stdin) != 0) {
            return unread();
        }
        if (length == 0U) {
            return (i == 0U) ? -1 : stopped(i);
        }
        value = strtol(word, &end, 10);
        if ((size_t)(end - word) != length) { /* also a word with a zero byte in it */
            for (char *c = word; *c != '\0'; c++) { /* a terminal obeys other characters */
                *c = (isprint((unsigned char)*c) != 0) ? *c : '?';
            }
            fprintf(stderr, "Step %llu, value %lu is '%s', which is no whole number.\n", done + 1U,
                (unsigned long)i + 1U, word);
            return BAD_INPUT;
        }
        if ((value < NC_INPUT_LEAST) || (value > NC_INPUT_MOST)) {
            return beyond(i, value);
        }
        input[i] = (nc_input)value;
    }
    return GOOD;
}

/* Print a line; 0 if nobody takes it. */
static int print_output(int potentials)
{
    for (uint32_t j = 0; j < NC_OUTPUTS; j++) {
        printf((j == 0U) ? "%ld" : " %ld",
            (long)(potentials ? output.potentials[j] : output.spikes[j]));
    }
    printf("\n");
    return fflush(stdout) == 0;
}

static int stream(int binary, int potentials, unsigned long sample)
{
    nc_init(&state);
    for (;;) {
        int fault;
        const int found = binary ? next_binary() : next_text();
        if (found != GOOD) {
            return (found < 0) ? GOOD : found;
        }
        if ((sample > 0UL) && (done > 0U) && (done % sample == 0U)) {
            nc_init(&state);
        }
        fault = nc_step(&state, input, &output);
        if (fault != NC_OK) {
            return tell_fault(fault);
        }
        done += 1U;
        if (!print_output(potentials)) {
            return GOOD; /* main says so */
        }
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: run --check [FOLDER] | --size | --time [N]\n"
        "       run [--binary] [--potentials | --spikes] [--steps N] < INPUTS\n");
    return BAD_INPUT;
}

/* A whole number of 1 or more; 0 if it is none. */
static unsigned long count_of(const char *text)
{
    char *end;
    const unsigned long found = strtoul(text, &end, 10);
    return ((*text >= '1') && (*text <= '9') && (*end == '\0') && (found <= LONG_MAX)) ? found : 0UL;
}

/* The exit code, which is good only if everything that was printed arrived. */
static int ended(int code)
{
    if (((fflush(stdout) != 0) || (ferror(stdout) != 0)) && (code == GOOD)) {
        fprintf(stderr, "The output cannot be written. Give it another place.\n");
        return BAD_INPUT;
    }
    return code;
}

static int run(int count, char **words)
{
    int binary = 0;
    int potentials = NC_READS_POTENTIALS;
    unsigned long sample = 0UL;
    if ((count >= 2) && (count <= 3) && (strcmp(words[1], "--check") == 0)) {
        const int found = check((count == 3) ? words[2] : "vectors");
        if (found == GOOD) {
            size();
        }
        return found;
    }
    if ((count == 2) && (strcmp(words[1], "--size") == 0)) {
        size();
        return GOOD;
    }
    if ((count >= 2) && (count <= 3) && (strcmp(words[1], "--time") == 0)) {
        const unsigned long times = (count == 3) ? count_of(words[2]) : 1UL;
        return (times == 0UL) ? usage() : timed("vectors", (long)times);
    }
    for (int k = 1; k < count; k++) {
        if (strcmp(words[k], "--binary") == 0) {
            binary = 1;
        } else if (strcmp(words[k], "--potentials") == 0) {
            potentials = 1;
        } else if (strcmp(words[k], "--spikes") == 0) {
            potentials = 0;
        } else if ((strcmp(words[k], "--steps") == 0) && (k + 1 < count)
            && (count_of(words[k + 1]) > 0UL)) {
            sample = count_of(words[k + 1]);
            k += 1;
        } else {
            return usage();
        }
    }
    return stream(binary, potentials, sample);
}

int main(int count, char **words)
{
    return ended(run(count, words));
}
