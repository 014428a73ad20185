#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "weir/config.h"
#include "weir/encode.h"
#include "weir/flow.h"

#define RECORDS_MAX 20000

static const struct config config;
static struct cli_output output;

/* Lines of all lengths. */
static size_t encode(const struct config *c, const struct flow_record *r, char *out)
{
    assert_ptr_equal(c, &config);
    int len = sprintf(out, "%" PRIu64 " %u ", r->flow_id, r->record_no);

    memset(out + len, 'x', r->flow_id % 300);
    out[(size_t)len + r->flow_id % 300] = '\n';
    return (size_t)len + r->flow_id % 300 + 1;
}

static const struct record_encoder encoder = {.record = encode};

static struct print *printer(unsigned threads)
{
    struct print *p;

    memset(&output, 0, offsetof(struct cli_output, buffer));
    assert_int_equal(print_create(&config, &encoder, &output, threads, &p), 0);
    return p;
}

static struct flow_record record(uint32_t number)
{
    return (struct flow_record){.flow_id = number, .record_no = 1, .delta.packets[0] = 1};
}

/* The record itself does not live longer than the call. */
static void give(struct print *p, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        struct flow_record r = record(i);
        print_record(p, &r);
        memset(&r, 0xff, sizeof(r));
    }
}

/* What a caller without threads makes of so many records. */
static char *expected(uint32_t count, size_t *len)
{
    char *text = malloc((size_t)count * 400 + 1);

    *len = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct flow_record r = record(i);
        *len += encode(&config, &r, text + *len);
    }
    return text;
}

/* stdout goes into a file meanwhile. */
static int stdout_away(int fd)
{
    int saved = dup(STDOUT_FILENO);

    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    return saved;
}

static void stdout_back(int saved)
{
    dup2(saved, STDOUT_FILENO);
    close(saved);
}

static void print_some(uint32_t count, unsigned threads)
{
    size_t len;
    char *text = expected(count, &len), *told = malloc(len + 1);
    int fd = memfd_create("stdout", 0), saved = stdout_away(fd);
    struct print *p = printer(threads);

    give(p, 0, count / 3);
    print_finish(p);
    give(p, count / 3, count);
    print_finish(p);
    print_destroy(p);
    int rc = cli_output_finish(&output);
    stdout_back(saved);
    assert_int_equal(rc, CLI_OK);
    assert_int_equal(output.written, count);
    assert_int_equal(pread(fd, told, len + 1, 0), (ssize_t)len);
    assert_memory_equal(told, text, len);
    close(fd);
    free(text);
    free(told);
}

static void text_comes_in_order_whoever_makes_it(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 255, 256, 257, 768, 4096, 4097, RECORDS_MAX};
    static const unsigned threads[] = {0, 1, 2, 3, 8, 1000};

    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        for (size_t j = 0; j < sizeof(threads) / sizeof(*threads); j++)
            print_some(counts[i], threads[j]);
}

static void notices_are_not_counted(void **state)
{
    (void)state;
    struct flow_record notice = {0};

    assert_true(flow_record_is_notice(&notice));
    for (unsigned threads = 0; threads < 2; threads++) {
        struct print *p = printer(threads);
        print_record(p, &notice);
        give(p, 0, 1);
        print_finish(p);
        assert_int_equal(output.pending, 1);
        print_destroy(p);
    }
}

static void what_stdout_does_not_take_is_lost(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads < 3; threads++) {
        FILE *full = fopen("/dev/full", "w");
        int saved = stdout_away(fileno(full));
        struct print *p = printer(threads);
        give(p, 0, RECORDS_MAX);
        print_finish(p);
        print_destroy(p);
        int rc = cli_output_finish(&output);
        stdout_back(saved);
        fclose(full);
        assert_int_equal(rc, CLI_FAILURE);
        assert_int_equal(output.written, 0);
        assert_int_equal(output.lost, RECORDS_MAX);
    }
}

/* At any number of sheets under way. */
static void it_may_end_early(void **state)
{
    (void)state;
    for (uint32_t count = 0; count < 1500; count += 100) {
        struct print *p = printer(2);
        give(p, 0, count);
        print_destroy(p);
        assert_int_equal(output.lost + output.written, 0); /* stdout was not needed */
    }
    print_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_in_order_whoever_makes_it),
        cmocka_unit_test(notices_are_not_counted),
        cmocka_unit_test(what_stdout_does_not_take_is_lost),
        cmocka_unit_test(it_may_end_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
