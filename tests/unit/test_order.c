#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "core/order.h"
#include "weir/flow.h"

/* What the sink got, as far as it tells records apart. */
struct got {
    uint64_t *end_ns, *flow_id;
    uint32_t *record_no;
    uint32_t count, room;
};

static void take(void *context, const struct flow_record *r)
{
    struct got *g = context;

    assert_true(g->count < g->room);
    assert_true(r->total.packets[0] == r->flow_id * 3); /* whole records, unmixed */
    assert_int_equal(r->history[FLOW_HISTORY_MAX], 'z');
    g->end_ns[g->count] = r->end_ns;
    g->flow_id[g->count] = r->flow_id;
    g->record_no[g->count++] = r->record_no;
}

static struct got got_init(uint32_t room)
{
    return (struct got){.end_ns = calloc(room, 8),
                        .flow_id = calloc(room, 8),
                        .record_no = calloc(room, 4),
                        .room = room};
}

static void got_fini(struct got *g)
{
    free(g->end_ns);
    free(g->flow_id);
    free(g->record_no);
}

static struct flow_record numbered(uint64_t flow_id, uint64_t end_ns)
{
    struct flow_record r = {.flow_id = flow_id, .end_ns = end_ns, .record_no = 1};
    r.total.packets[0] = flow_id * 3;
    r.history[FLOW_HISTORY_MAX] = 'z';
    return r;
}

static uint64_t shuffled(uint64_t i)
{
    return i * 0x9e3779b97f4a7c15ULL >> 40;
}

static void check_order(const struct got *g)
{
    for (uint32_t i = 1; i < g->count; i++) {
        assert_true(g->end_ns[i - 1] <= g->end_ns[i]);
        if (g->end_ns[i - 1] == g->end_ns[i])
            assert_true(g->flow_id[i - 1] < g->flow_id[i]);
    }
}

static void check_complete(const struct got *g, uint32_t count)
{
    uint8_t *seen = calloc(count + 1, 1);

    assert_int_equal(g->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_in_range(g->flow_id[i], 1, count);
        assert_int_equal(seen[g->flow_id[i]]++, 0);
    }
    free(seen);
}

/* Adds records 1..count, with equal end times among them; returns the first error. */
static int add(struct record_order *o, uint32_t from, uint32_t to)
{
    int first = 0;
    for (uint32_t i = from; i <= to; i++) {
        struct flow_record r = numbered(i, shuffled(i) / 4);
        int rc = record_order_add(o, &r);
        if (rc && !first)
            first = rc;
    }
    return first;
}

static void gives_all_in_order(void **state)
{
    (void)state;
    const struct {
        uint32_t in_memory, count;
    } runs[] = {{100, 0},  {100, 1},   {100, 100}, {100, 101},    {1, 200},
                {2, 1000}, {10, 5000}, {7, 3584},  {1000, 50000}, {100000, 50000}};

    for (unsigned i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
        struct got g = got_init(runs[i].count + 1);
        struct record_order *o;
        assert_int_equal(record_order_create(runs[i].in_memory, take, &g, &o), 0);
        assert_int_equal(add(o, 1, runs[i].count), 0);
        assert_int_equal(g.count, 0);
        assert_int_equal(record_order_flush(o), 0);
        check_complete(&g, runs[i].count);
        check_order(&g);
        record_order_destroy(o);
        got_fini(&g);
    }
}

/* Equal times: by connection, then by record. Within one run, and over two. */
static void equal_times_go_by_connection_and_record(void **state)
{
    (void)state;
    for (uint32_t in_memory = 2; in_memory <= 8; in_memory += 6) {
        struct got g = got_init(6);
        struct record_order *o;
        const struct {
            uint64_t flow_id;
            uint32_t record_no;
        } in[] = {{2, 2}, {2, 1}, {1, 3}, {1, 2}, {2, 3}, {1, 1}};
        assert_int_equal(record_order_create(in_memory, take, &g, &o), 0);
        for (int i = 0; i < 6; i++) {
            struct flow_record r = numbered(in[i].flow_id, 77);
            r.record_no = in[i].record_no;
            assert_int_equal(record_order_add(o, &r), 0);
        }
        assert_int_equal(record_order_flush(o), 0);
        for (uint32_t i = 0; i < 6; i++) {
            assert_int_equal(g.flow_id[i], 1 + i / 3);
            assert_int_equal(g.record_no[i], 1 + i % 3);
        }
        record_order_destroy(o);
        got_fini(&g);
    }
}

/* More runs than are kept: what was held is given at once, and said so. */
static void too_many_runs_lose_order_only(void **state)
{
    (void)state;
    struct got g = got_init(2000);
    struct record_order *o;

    assert_int_equal(record_order_create(2, take, &g, &o), 0);
    assert_int_equal(add(o, 1, 2000), -ENOSPC);
    record_order_flush(o);
    check_complete(&g, 2000);
    record_order_destroy(o);
    got_fini(&g);
}

static rlim_t limit(int what, rlim_t soft)
{
    struct rlimit l;
    assert_int_equal(getrlimit(what, &l), 0);
    rlim_t before = l.rlim_cur;
    l.rlim_cur = soft;
    assert_int_equal(setrlimit(what, &l), 0);
    return before;
}

/* No file may be written, or none opened, from the third run on. */
static void full_disk_at(int what, int error)
{
    struct got g = got_init(1000);
    struct record_order *o;
    rlim_t none = what == RLIMIT_FSIZE ? 0 : 3;

    assert_int_equal(record_order_create(50, take, &g, &o), 0);
    assert_int_equal(add(o, 1, 149), 0);
    rlim_t before = limit(what, none);
    int rc = add(o, 150, 500);
    limit(what, before);
    assert_int_equal(rc, error);
    assert_true(g.count > 0);
    assert_int_equal(add(o, 501, 1000), 0);
    assert_int_equal(record_order_flush(o), 0);
    check_complete(&g, 1000);
    record_order_destroy(o);
    got_fini(&g);
}

static void a_full_disk_loses_order_only(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    full_disk_at(RLIMIT_FSIZE, -EFBIG);
    full_disk_at(RLIMIT_NOFILE, -EMFILE);
}

/* What is held at the end needs no disk any more. */
static void a_disk_that_fills_at_the_end_does_no_harm(void **state)
{
    (void)state;
    struct got g = got_init(130);
    struct record_order *o;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(record_order_create(50, take, &g, &o), 0);
    assert_int_equal(add(o, 1, 130), 0);
    rlim_t before = limit(RLIMIT_FSIZE, 0);
    int rc = record_order_flush(o);
    limit(RLIMIT_FSIZE, before);
    check_complete(&g, 130);
    assert_int_equal(rc, 0);
    check_order(&g);
    record_order_destroy(o);
    got_fini(&g);
}

static void destroying_early_leaves_nothing(void **state)
{
    (void)state;
    struct got g = got_init(1000);
    struct record_order *o;

    int before = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(before);
    assert_int_equal(record_order_create(10, take, &g, &o), 0);
    assert_int_equal(add(o, 1, 995), 0);
    record_order_destroy(o);
    record_order_destroy(NULL);
    int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(before, after);
    assert_int_equal(g.count, 0);
    got_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_all_in_order),
        cmocka_unit_test(equal_times_go_by_connection_and_record),
        cmocka_unit_test(too_many_runs_lose_order_only),
        cmocka_unit_test(a_full_disk_loses_order_only),
        cmocka_unit_test(a_disk_that_fills_at_the_end_does_no_harm),
        cmocka_unit_test(destroying_early_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
