#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "export/backlog.h"

static struct message *numbered(uint64_t id)
{
    uint8_t octets[100] = {0};
    struct message_info info = {.len = 100, .records = 1, .packets = id, .octets = 10};

    return message_create(&info, octets);
}

static void push(struct backlog *b, uint64_t from, uint64_t to)
{
    for (; from <= to; from++)
        message_list_push(&b->fresh, numbered(from));
}

/* Sends one; returns its number. */
static uint64_t send_one(struct backlog *b, uint64_t *stream)
{
    assert_true(backlog_begin(b));
    uint64_t id = b->current->info.packets;
    *stream += b->current->info.len;
    backlog_sent(b, *stream);
    return id;
}

static void goes_once_acknowledged_and_past_the_window(void **state)
{
    struct backlog b = {.window = 150};
    uint64_t stream = 0;

    (void)state;
    push(&b, 1, 4);
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(send_one(&b, &stream), id);
    assert_false(backlog_begin(&b));
    backlog_acknowledge(&b, 99);
    assert_int_equal(b.sent.count.records, 4);
    backlog_acknowledge(&b, 200);
    assert_int_equal(b.kept.count.records, 2);
    assert_int_equal(b.delivered.records, 0);
    backlog_acknowledge(&b, 250);
    assert_int_equal(b.delivered.records, 1);
    backlog_acknowledge(&b, 400);
    assert_int_equal(b.delivered.records, 2);
    assert_int_equal(b.kept.count.records, 2);
    backlog_settle(&b);
    assert_int_equal(b.delivered.records, 4);
    assert_int_equal(b.delivered.packets, 10);
    backlog_fini(&b);
}

static void goes_again_in_order_before_what_is_new(void **state)
{
    struct backlog b = {.window = 1000};
    uint64_t stream = 0;

    (void)state;
    push(&b, 1, 6);
    for (int i = 0; i < 3; i++)
        send_one(&b, &stream);
    backlog_acknowledge(&b, 100);
    assert_true(backlog_begin(&b)); /* 4, half written */
    b.offset = 50;
    backlog_lost(&b);
    assert_int_equal(b.again.count.records, 4);
    stream = 0;
    assert_int_equal(send_one(&b, &stream), 1);
    backlog_lost(&b); /* at once again */
    stream = 0;
    for (uint64_t id = 1; id <= 6; id++)
        assert_int_equal(send_one(&b, &stream), id);
    assert_int_equal(b.replayed_records, 1 + 3); /* 4 had never been sent whole */
    backlog_acknowledge(&b, stream);
    backlog_settle(&b);
    assert_int_equal(b.delivered.records, 6);
    backlog_fini(&b);
}

static void control_belongs_to_the_connection(void **state)
{
    struct backlog b = {.window = 0};
    struct message *m = numbered(9);

    (void)state;
    m->control = true;
    backlog_begin_with(&b, m);
    backlog_sent(&b, 100);
    m = numbered(9);
    m->control = true;
    backlog_begin_with(&b, m);
    backlog_lost(&b);
    assert_null(b.again.head);
    assert_false(backlog_begin(&b));
    backlog_fini(&b);
}

static void only_what_was_never_sent_is_taken(void **state)
{
    struct backlog b = {.window = 1000};
    uint64_t stream = 0;

    (void)state;
    push(&b, 1, 3);
    send_one(&b, &stream);
    backlog_lost(&b);
    assert_int_equal(backlog_waiting(&b), 300);
    struct message *m = backlog_take(&b, false);
    assert_int_equal(m->info.packets, 2);
    free(m);
    m = backlog_take(&b, true);
    assert_int_equal(m->info.packets, 1);
    free(m);
    backlog_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_once_acknowledged_and_past_the_window),
        cmocka_unit_test(goes_again_in_order_before_what_is_new),
        cmocka_unit_test(control_belongs_to_the_connection),
        cmocka_unit_test(only_what_was_never_sent_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
