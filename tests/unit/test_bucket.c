#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>

#include "flow/bucket.h"
#include "flow_fixture.h"

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*seed >> 32);
}

static struct fixture *open_sized(uint64_t max_flows)
{
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = max_flows;
    return fixture_open(&options);
}

static bool in_bucket(const struct flow_table *t, uint32_t at, uint16_t tag, uint32_t index)
{
    const struct bucket *b = &t->bucket[at];
    for (uint32_t m = bucket_match(b, tag); m; m &= m - 1)
        if (b->index[__builtin_ctz(m)] == index)
            return true;
    return false;
}

/* As the lookup does: the second bucket only behind an overflow. */
static bool found(const struct flow_table *t, uint32_t hash, uint32_t index)
{
    uint32_t first = bucket_first(t, hash);
    uint16_t tag = bucket_tag(hash);

    return in_bucket(t, first, tag, index) ||
           (bucket_overflow(&t->bucket[first]) &&
            in_bucket(t, bucket_other(t, first, tag), tag | 1, index));
}

static uint32_t entries(const struct flow_table *t)
{
    uint32_t n = 0;
    for (uint32_t b = 0; b <= t->bucket_mask; b++)
        for (unsigned s = 0; s < BUCKET_SLOTS; s++) {
            n += t->bucket[b].index[s] != 0;
            assert_int_equal(t->bucket[b].index[s] != 0, t->bucket[b].tag[s] != 0);
        }
    return n;
}

/* A bucket's count is what lies in second buckets and began here. */
static void check_overflow(const struct flow_table *t, const uint32_t *hash)
{
    uint32_t *want = calloc((size_t)t->bucket_mask + 1, sizeof(*want));

    for (uint32_t b = 0; b <= t->bucket_mask; b++)
        for (unsigned s = 0; s < BUCKET_SLOTS; s++)
            if (t->bucket[b].tag[s] & 1)
                want[bucket_first(t, hash[t->bucket[b].index[s]])]++;
    for (uint32_t b = 0; b <= t->bucket_mask; b++)
        assert_int_equal(bucket_overflow(&t->bucket[b]), want[b]);
    free(want);
}

static void tags_and_buckets_hold_their_promises(void **state)
{
    (void)state;
    struct fixture *f = open_sized(5000);
    const struct flow_table *t = f->table;
    uint64_t seed = 1;

    for (int i = 0; i < 100000; i++) {
        uint32_t hash = next_random(&seed);
        uint16_t tag = bucket_tag(hash);
        uint32_t first = bucket_first(t, hash), other = bucket_other(t, first, tag);
        assert_true(tag && !(tag & 1));
        assert_true(first <= t->bucket_mask && other <= t->bucket_mask && first != other);
        assert_int_equal(bucket_other(t, other, tag), first);
    }
    fixture_close(f);
}

static void match_finds_each_slot(void **state)
{
    (void)state;
    struct bucket b = {0};

    assert_int_equal(bucket_match(&b, 0), (1 << BUCKET_SLOTS) - 1);
    for (unsigned s = 0; s < BUCKET_SLOTS; s++)
        b.tag[s] = (uint16_t)(0x8000 + 2 * s);
    b.control = 0xffffffff;
    for (unsigned s = 0; s < BUCKET_SLOTS; s++) {
        assert_int_equal(bucket_match(&b, (uint16_t)(0x8000 + 2 * s)), 1u << s);
        assert_int_equal(bucket_match(&b, (uint16_t)(0x8001 + 2 * s)), 0);
    }
    b.tag[3] = b.tag[9] = b.tag[7];
    assert_int_equal(bucket_match(&b, b.tag[7]), 1u << 3 | 1u << 7 | 1u << 9);
    b.tag[0] = b.tag[9] = 0xffff;
    assert_int_equal(bucket_match(&b, 0xffff), 1u << 0 | 1u << 9);
}

/* Few tags, so that many slots match, and all that lies behind them at random. */
static void both_twins_match_alike(void **state)
{
    (void)state;
    uint64_t seed = 7;

    for (int round = 0; round < 20000; round++) {
        struct bucket b;
        for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
            b.tag[i] = next_random(&seed) & 0xc003;
            b.index[i] = next_random(&seed);
        }
        b.control = next_random(&seed);
        uint16_t tag = next_random(&seed) & 0xc003;
        assert_int_equal(bucket_match(&b, tag), bucket_match_portable(&b, tag));
    }
}

static void ranks_do_not_touch_each_other(void **state)
{
    (void)state;
    struct bucket b = {.control = 0x05000000u | 7u << 20};

    for (unsigned s = 0; s < BUCKET_SLOTS; s++)
        bucket_set_rank(&b, s, s % 4);
    for (unsigned s = 0; s < BUCKET_SLOTS; s++)
        assert_int_equal(bucket_rank(&b, s), s % 4);
    assert_int_equal(bucket_overflow(&b), 5);
    assert_int_equal(b.control >> 20 & 15, 7);
}

/* Random inserts and removals around a load, against a plain set. */
static void random_work(uint64_t max_flows, uint32_t percent)
{
    struct fixture *f = open_sized(max_flows);
    struct flow_table *t = f->table;
    uint32_t *hash = calloc(max_flows + 1, sizeof(*hash));
    uint8_t *present = calloc(max_flows + 1, 1);
    uint64_t seed = max_flows * 31 + percent;
    uint32_t load = (uint32_t)(max_flows * percent / 100), count = 0;

    for (uint32_t i = 0; i < 20 * max_flows; i++) {
        uint32_t index = 1 + next_random(&seed) % (uint32_t)max_flows;
        if (present[index]) {
            assert_true(found(t, hash[index], index));
            bucket_remove(t, hash[index], index);
            assert_false(found(t, hash[index], index));
            present[index] = 0;
            count--;
        } else if (count < load) {
            hash[index] = next_random(&seed);
            assert_true(bucket_insert(t, hash[index], index));
            present[index] = 1;
            count++;
        }
    }
    assert_int_equal(entries(t), count);
    for (uint32_t i = 1; i <= max_flows; i++)
        if (present[i])
            assert_true(found(t, hash[i], i));
    check_overflow(t, hash);
    for (uint32_t i = 1; i <= max_flows; i++)
        if (present[i])
            bucket_remove(t, hash[i], i);
    assert_int_equal(entries(t), 0);
    for (uint32_t b = 0; b <= t->bucket_mask; b++)
        assert_int_equal(bucket_overflow(&t->bucket[b]), 0);
    free(hash);
    free(present);
    fixture_close(f);
}

static void random_work_agrees_with_a_set(void **state)
{
    (void)state;
    const uint64_t sizes[] = {100, 1000, 4681, 29000};
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        random_work(sizes[i], 50);
        random_work(sizes[i], 85);
        random_work(sizes[i], 100);
    }
}

/* Sizes at both ends of what one number of buckets serves. */
static void takes_all_flows_up_to_the_cap(void **state)
{
    (void)state;
    const uint64_t sizes[] = {16, 28, 29, 57, 58, 1000, 3657, 14628, 29257, 117028};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t seed = 77 + i;
        struct fixture *f = open_sized(sizes[i]);
        for (uint32_t k = 1; k <= sizes[i]; k++)
            assert_true(bucket_insert(f->table, next_random(&seed), k));
        fixture_close(f);
    }
}

/* One hash: twenty places, then the truth. */
static void twenty_of_one_hash_then_no_more(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 0xdeadbeef;

    for (uint32_t i = 1; i <= 2 * BUCKET_SLOTS; i++)
        assert_true(bucket_insert(t, hash, i));
    assert_false(bucket_insert(t, hash, 21));
    assert_int_equal(entries(t), 20);
    assert_int_equal(bucket_overflow(&t->bucket[bucket_first(t, hash)]), 10);
    for (uint32_t i = 1; i <= 20; i++)
        assert_true(found(t, hash, i));
    for (uint32_t i = 20; i >= 1; i--) {
        bucket_remove(t, hash, i);
        for (uint32_t k = 1; k < i; k++)
            assert_true(found(t, hash, k));
    }
    assert_int_equal(entries(t), 0);
    fixture_close(f);
}

/* Keys that share a first bucket: its entries move to their own second ones. */
static void makes_room_by_moving(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash[400] = {0};
    uint32_t at = 5, n = 0, blocked_other = 0;

    /* fill the other bucket of one hash, and the first one with keys whose others are elsewhere */
    uint32_t wanted = at;
    blocked_other = bucket_other(t, at, bucket_tag(wanted));
    for (uint32_t h = blocked_other; n < 10; h += t->bucket_mask + 1) {
        hash[++n] = h;
        assert_true(bucket_insert(t, h, n));
    }
    for (uint32_t h = at + t->bucket_mask + 1; n < 20; h += t->bucket_mask + 1) {
        uint32_t other = bucket_other(t, at, bucket_tag(h));
        if (other == blocked_other)
            continue;
        hash[++n] = h;
        assert_true(bucket_insert(t, h, n));
    }
    hash[++n] = wanted;
    assert_true(bucket_insert(t, wanted, n));
    for (uint32_t i = 1; i <= n; i++)
        assert_true(found(t, hash[i], i));
    assert_int_equal(entries(t), n);
    check_overflow(t, hash);
    fixture_close(f);
}

/* A saturated count is never lowered: an entry behind it must stay findable. */
static void overflow_saturates(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 0x1234567;
    struct bucket *first = &t->bucket[bucket_first(t, hash)];

    for (uint32_t i = 1; i <= 11; i++)
        assert_true(bucket_insert(t, hash, i));
    first->control |= 0xffu << 24;
    assert_true(bucket_insert(t, hash, 12));
    assert_int_equal(bucket_overflow(first), 255);
    bucket_remove(t, hash, 12);
    assert_int_equal(bucket_overflow(first), 255);
    assert_true(found(t, hash, 11));
    fixture_close(f);
}

static uint32_t victim(struct flow_table *t, uint32_t hash, bool own_only)
{
    struct bucket_slot at;
    uint32_t index = bucket_victim(t, hash, own_only, &at);

    if (index)
        assert_int_equal(at.bucket->index[at.slot], index);
    return index;
}

static void victims_go_by_rank(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 0xcafe;

    for (uint32_t i = 1; i <= 20; i++) {
        assert_true(bucket_insert(t, hash, i));
        bucket_promote(t, hash, i, RANK_MANY);
    }
    bucket_promote(t, hash, 4, RANK_SEVERAL);
    assert_int_equal(victim(t, hash, true), 4);
    bucket_promote(t, hash, 13, RANK_NEW);
    assert_int_equal(victim(t, hash, true), 13);
    bucket_promote(t, hash, 17, RANK_PARKED);
    bucket_promote(t, hash, 13, RANK_NEW);
    assert_int_equal(victim(t, hash, true), 17);
    fixture_close(f);
}

/* Among equals the hand takes turns, so that no slot is the eternal victim. */
static void victims_of_one_rank_take_turns(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 0xcafe, taken = 0;

    for (uint32_t i = 1; i <= 10; i++)
        assert_true(bucket_insert(t, hash, i));
    for (int i = 0; i < BUCKET_SLOTS; i++)
        taken |= 1u << victim(t, hash, true);
    assert_int_equal(taken, 0x7fe);
    fixture_close(f);
}

/* A newcomer takes the victim's place where that is in its own first bucket. */
static void a_cleared_slot_is_reused_in_place(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 0xcafe, far = 100;
    struct bucket_slot at;

    for (uint32_t i = 1; i <= 10; i++)
        assert_true(bucket_insert(t, hash, i));
    assert_int_equal(bucket_victim(t, hash, true, &at), 1);
    bucket_clear(t, hash, &at);
    assert_false(bucket_reuse(t, far, 11, &at));
    assert_true(bucket_reuse(t, hash, 11, &at));
    assert_int_equal(at.bucket->index[at.slot], 11);
    assert_int_equal(bucket_rank(at.bucket, at.slot), RANK_NEW);
    bucket_remove(t, hash, 11);
    fixture_close(f);
}

/* Elephants only: the search goes on next door, and finds something in the end wherever it is. */
static void spares_elephants_while_others_are_near(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    struct flow_table *t = f->table;
    uint32_t hash = 3, near = 5, far = 100;

    assert_int_equal(victim(t, hash, false), 0);
    assert_true(bucket_insert(t, far, 30));
    assert_int_equal(victim(t, hash, false), 30);
    assert_int_equal(victim(t, hash, true), 0);
    for (uint32_t i = 1; i <= 20; i++) {
        assert_true(bucket_insert(t, hash, i));
        bucket_promote(t, hash, i, RANK_MANY);
    }
    assert_true(bucket_insert(t, near, 40));
    assert_int_equal(victim(t, hash, false), 40);
    assert_in_range(victim(t, hash, true), 1, 20);
    fixture_close(f);
}

#define GROWN 60000u
#define FLOWS_OF_BUCKET 5u /* when more are asked for */

static struct fixture *open_growing(void)
{
    struct flow_table_options options = fixture_options();

    options.flow.max_flows = 100000;
    options.grows = true;
    return fixture_open(&options);
}

/* A packet of each of these flows. */
static void send_each(struct fixture *f, uint32_t from, uint32_t to)
{
    for (uint32_t port = from; port <= to; port++) {
        flow_table_grow(f->table);
        fixture_send(f, packet_udp(0, (uint16_t)port, START_NS + port));
    }
}

/* Every flow is found, at its rank, and once. */
static void check_all(const struct flow_table *t)
{
    uint32_t *hash = calloc(t->high_water, sizeof(*hash)), ranked = 0;

    for (uint32_t i = 1; i < t->high_water; i++) {
        hash[i] = t->cold[i].hash;
        assert_true(found(t, hash[i], i));
    }
    for (uint32_t b = 0; b <= t->bucket_mask; b++)
        for (unsigned s = 0; s < BUCKET_SLOTS; s++)
            if (t->bucket[b].index[s]) {
                assert_int_equal(bucket_rank(&t->bucket[b], s),
                                 t->cold[t->bucket[b].index[s]].rank);
                ranked += bucket_rank(&t->bucket[b], s) != RANK_NEW;
            }
    assert_int_equal(ranked, 1000);
    assert_int_equal(entries(t), t->live);
    check_overflow(t, hash);
    free(hash);
}

static void grows_with_its_flows(void **state)
{
    (void)state;
    struct fixture *f = open_growing(), *whole = open_sized(100000);
    struct flow_table *t = f->table;
    uint32_t first = t->bucket_mask + 1;

    assert_true(first < whole->table->bucket_mask + 1);
    send_each(f, 1, 1000);
    send_each(f, 1, 1000);
    fixture_turn(f, START_NS + SECOND); /* two packets each: they rise */
    send_each(f, 1001, first * FLOWS_OF_BUCKET);
    assert_int_equal(t->bucket_mask + 1, first);
    send_each(f, first * FLOWS_OF_BUCKET + 1, first * FLOWS_OF_BUCKET + 1);
    assert_int_equal(t->bucket_mask + 1, 2 * first);
    check_all(t);
    send_each(f, first * FLOWS_OF_BUCKET + 2, GROWN);
    assert_int_equal(t->bucket_mask, whole->table->bucket_mask);
    assert_int_equal(t->grow_at, UINT32_MAX);
    check_all(t);
    send_each(f, 1, GROWN);
    assert_int_equal(f->counters.note[NOTE_FLOWS_CREATED], GROWN);
    fixture_close(whole);
    fixture_close(f);
}

static void stays_as_it_is_where_memory_is_short(void **state)
{
    (void)state;
    struct fixture *f = open_growing();
    struct flow_table *t = f->table;
    uint32_t first = t->bucket_mask + 1, last = first * FLOWS_OF_BUCKET;
    struct rlimit before, none = {.rlim_cur = 1 << 20};

    send_each(f, 1, 1000);
    send_each(f, 1, 1000);
    fixture_turn(f, START_NS + SECOND);
    send_each(f, 1001, last);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    send_each(f, last + 1, last + 1);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(t->bucket_mask + 1, first);
    send_each(f, last + 2, last + 1000);
    assert_int_equal(t->live, last + 1000);
    check_all(t);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_and_buckets_hold_their_promises),
        cmocka_unit_test(match_finds_each_slot),
        cmocka_unit_test(both_twins_match_alike),
        cmocka_unit_test(ranks_do_not_touch_each_other),
        cmocka_unit_test(random_work_agrees_with_a_set),
        cmocka_unit_test(takes_all_flows_up_to_the_cap),
        cmocka_unit_test(twenty_of_one_hash_then_no_more),
        cmocka_unit_test(makes_room_by_moving),
        cmocka_unit_test(overflow_saturates),
        cmocka_unit_test(victims_go_by_rank),
        cmocka_unit_test(victims_of_one_rank_take_turns),
        cmocka_unit_test(a_cleared_slot_is_reused_in_place),
        cmocka_unit_test(spares_elephants_while_others_are_near),
        cmocka_unit_test(grows_with_its_flows),
        cmocka_unit_test(stays_as_it_is_where_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
