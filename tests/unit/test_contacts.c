#include "host_fixture.h"

#include "hosts/book.h"
#include "hosts/contacts.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))

struct fixture {
    struct book *book;
    struct contacts *contacts;
    struct contact_view view[CONTACT_KIND_COUNT];
};

static struct fixture open_contacts(uint32_t max, uint32_t rhythms, uint32_t known)
{
    struct book_options b = {.max_inside = 16, .max_outside = 16, .fixed_secret = true};
    struct contacts_options c = {.max = max, .max_rhythm = rhythms, .max_known = known};
    struct fixture f;

    assert_int_equal(book_create(&b, &f.book), 0);
    assert_int_equal(contacts_create(&c, f.book, &f.contacts), 0);
    return f;
}

static void close_contacts(struct fixture *f)
{
    contacts_destroy(f->contacts);
    book_destroy(f->book);
}

static unsigned feed(struct fixture *f, const struct flow_delta *d, unsigned kind, uint8_t inside)
{
    struct host_event e = {.delta = *d, .kind = (uint8_t)kind, .inside = inside};

    if (kind & EVENT_CLOSED) {
        e.octets[0] = d->total.octets[0];
        e.octets[1] = d->total.octets[1];
    }
    return contacts_event(f->contacts, &e, d->last_ns, f->view);
}

static void a_port_scan_shows_at_the_pair(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 16, 16);

    for (uint16_t i = 0; i < 30; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(2), (uint16_t)(1000 + i), START_NS);
        d.accepted = i >= 20;
        assert_int_equal(feed(&f, &d, EVENT_OPENED, 3), CONTACT_KIND_COUNT);
    }
    const struct contact_window *w = &f.view[CONTACT_PAIR].window[WINDOW_MINUTE];
    assert_int_equal(w->opened, 30);
    assert_int_equal(w->accepted, 10);
    assert_int_equal(w->tried, 20);
    assert_int_equal(f.view[CONTACT_SERVICE].window[WINDOW_MINUTE].opened, 1);
    assert_int_equal(f.view[CONTACT_EDGE].window[WINDOW_MINUTE].opened, 1);
    close_contacts(&f);
}

static void a_sweep_shows_at_the_service(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 16, 16);

    for (uint32_t i = 0; i < 30; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(100 + i), 445, START_NS);
        d.accepted = 0;
        feed(&f, &d, EVENT_OPENED, 3);
    }
    assert_int_equal(f.view[CONTACT_SERVICE].window[WINDOW_HOUR].tried, 30);
    assert_int_equal(f.view[CONTACT_SERVICE].key.port, 445);
    assert_int_equal(f.view[CONTACT_PAIR].window[WINDOW_HOUR].tried, 1);
    close_contacts(&f);
}

static void groups_are_no_contact(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 16, 16);
    struct flow_delta d = delta_tcp(IN(1), 0xe00000fb, 5353, START_NS);

    assert_int_equal(feed(&f, &d, EVENT_OPENED, 1), 0);
    d = delta_tcp(IN(1), 0xffffffff, 67, START_NS);
    assert_int_equal(feed(&f, &d, EVENT_OPENED, 1), 0);
    close_contacts(&f);
}

static void windows_of_a_contact_turn(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 16, 16);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);

    feed(&f, &d, EVENT_OPENED, 1);
    d.last_ns += 61 * SECOND;
    feed(&f, &d, EVENT_OPENED, 1);
    assert_int_equal(f.view[CONTACT_PAIR].window[WINDOW_MINUTE].opened, 1);
    assert_int_equal(f.view[CONTACT_PAIR].window[WINDOW_HOUR].opened, 2);
    close_contacts(&f);
}

static void an_edge_keeps_its_rhythm(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 16, 16);

    for (uint64_t i = 0; i < 20; i++) {
        struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS + i * 60 * SECOND);
        feed(&f, &d, EVENT_OPENED, 1);
        delta_go_on(&d, 900, 100, d.last_ns + SECOND);
        d.closed = 1;
        feed(&f, &d, EVENT_CLOSED, 1);
    }
    const struct contact_rhythm *r = f.view[CONTACT_EDGE].rhythm;
    assert_non_null(r);
    assert_int_equal(r->starts, 17);
    assert_int_equal(r->interval_ms[0], 60000);
    assert_int_equal(r->interval_ms[15], 60000);
    assert_int_equal(r->size[0], 1000);
    close_contacts(&f);
}

static void rhythms_are_bounded(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 1, 16);
    struct contacts_stats stats;

    for (uint32_t i = 0; i < 20; i++) {
        struct flow_delta d = delta_tcp(IN(1), OUT(i % 2), 443, START_NS + i * SECOND);
        feed(&f, &d, EVENT_OPENED, 1);
    }
    contacts_stats(f.contacts, &stats);
    assert_true(stats.unrhythmed > 0);
    close_contacts(&f);
}

static void a_new_inside_edge_is_new_once(void **state)
{
    (void)state;
    struct fixture f = open_contacts(1024, 1, 64);

    for (int i = 0; i < 3; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(2), 3389, START_NS);
        feed(&f, &d, EVENT_OPENED | EVENT_ACCEPTED, 3);
        assert_int_equal(f.view[CONTACT_EDGE].is_new, i == 0);
        d = delta_tcp(IN(1), IN(2), 80, START_NS);
        feed(&f, &d, EVENT_OPENED | EVENT_ACCEPTED, 3);
        assert_int_equal(f.view[CONTACT_EDGE].is_new, 0);
        d = delta_tcp(IN(1), OUT(2), 3389, START_NS);
        feed(&f, &d, EVENT_OPENED | EVENT_ACCEPTED, 1);
        assert_int_equal(f.view[CONTACT_EDGE].is_new, 0);
    }
    close_contacts(&f);
}

static void what_is_busy_outlives_a_flood(void **state)
{
    (void)state;
    struct fixture f = open_contacts(512, 16, 16);
    struct contacts_stats stats;

    for (uint32_t i = 0; i < 20000; i++) {
        struct flow_delta d = delta_tcp(0x0b000000u + i, IN(1), 80, START_NS + i);
        if (i < 10 || i % 1000 == 0)
            d = delta_tcp(IN(7), OUT(7), 443, START_NS + i);
        feed(&f, &d, EVENT_OPENED, 2);
        if (i % 1000 == 0 && i)
            assert_int_equal(f.view[CONTACT_PAIR].window[WINDOW_HOUR].opened, 10 + i / 1000);
    }
    contacts_stats(f.contacts, &stats);
    assert_true(stats.replaced > 10000);
    close_contacts(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_scan_shows_at_the_pair),
        cmocka_unit_test(a_sweep_shows_at_the_service),
        cmocka_unit_test(groups_are_no_contact),
        cmocka_unit_test(windows_of_a_contact_turn),
        cmocka_unit_test(an_edge_keeps_its_rhythm),
        cmocka_unit_test(rhythms_are_bounded),
        cmocka_unit_test(a_new_inside_edge_is_new_once),
        cmocka_unit_test(what_is_busy_outlives_a_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
