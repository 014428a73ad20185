#include "exporter_fixture.h"

#include <sys/resource.h>

static void writes_a_file(void **state)
{
    struct test *t = *state;
    unsigned messages = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    create(t);
    add(t, 5000);
    steps(t, 200);
    drain(t);
    assert_int_equal(stats(t, 0).delivered.records, 5000);
    assert_int_equal(file_records(c->path, &messages), 5000);
}

static void limit_files(rlim_t octets)
{
    struct rlimit limit = {octets, RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_file_goes_on_when_there_is_room_again(void **state)
{
    struct test *t = *state;
    unsigned messages = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    signal(SIGXFSZ, SIG_IGN);
    create(t);
    limit_files(20000);
    add(t, 5000);
    steps(t, 200);
    limit_files(RLIM_INFINITY);
    assert_true(stats(t, 0).losses > 0 && stats(t, 0).delivered.records < 5000);
    steps(t, 2000);
    drain(t);
    assert_int_equal(stats(t, 0).delivered.records, 5000);
    assert_int_equal(file_records(c->path, &messages), 5000);
}

/* The file of an earlier run is a session of its own, and keeps all it holds. */
static void a_new_run_begins_a_new_file(void **state)
{
    struct test *t = *state;
    char before[400];
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    for (uint64_t run = 0; run < 3; run++) {
        unsigned messages = 0;
        create(t);
        add(t, 100 + run);
        steps(t, 20);
        drain(t);
        exporter_destroy(t->exporter);
        assert_int_equal(file_records(c->path, &messages), 100 + run);
    }
    create(t); /* nothing is written, and nothing more is set aside than was there */
    drain(t);
    for (uint64_t run = 0; run < 3; run++) {
        unsigned messages = 0;
        snprintf(before, sizeof(before), "%s/flows-19700101T001640Z%s.ipfix", t->directory,
                 run == 0   ? ""
                 : run == 1 ? ".1"
                            : ".2");
        assert_int_equal(file_records(before, &messages), 100 + run);
    }
    assert_non_null(strstr(t->said, "(what was there: flows-19700101T001640Z.ipfix)"));
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    fputs(text, f);
    fclose(f);
}

static void a_file_that_holds_something_else_is_left_alone(void **state)
{
    struct test *t = *state;
    char text[64] = "";
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/thesis.txt", t->directory);
    write_text(c->path, "all of my work");
    create(t);
    add(t, 100);
    steps(t, 20);
    drain(t);
    assert_int_equal(stats(t, 0).dropped[DROP_STOPPED].records, 100);
    assert_non_null(strstr(t->said, "thesis.txt: holds something else: remove it first"));
    FILE *f = fopen(c->path, "r");
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "all of my work");
}

static void rotates_files(void **state)
{
    struct test *t = *state;
    uint64_t records = 0;
    unsigned files = 0;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "%s/flows.ipfix", t->directory);
    c->rotate_octets = 4096;
    c->rotate_ns = 10 * SECOND;
    create(t);
    for (int i = 0; i < 60; i++) {
        add(t, 100);
        step(t, 500);
    }
    drain(t);
    DIR *d = opendir(t->directory);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        unsigned messages = 0;
        if (e->d_name[0] == '.')
            continue;
        assert_null(strstr(e->d_name, ".part"));
        assert_int_equal(strncmp(e->d_name, "flows-1970", 10), 0);
        snprintf(path, sizeof(path), "%s/%s", t->directory, e->d_name);
        records += file_records(path, &messages);
        files++;
    }
    closedir(d);
    assert_true(files > 5);
    assert_int_equal(records, t->handed);
}

static void full_disk_costs_what_the_queue_does_not_hold(void **state)
{
    struct test *t = *state;
    struct collector_config *c = add_collector(t, TRANSPORT_FILE);

    snprintf(c->path, sizeof(c->path), "/dev/full");
    create(t);
    for (int i = 0; i < 100; i++) {
        add(t, 1000);
        step(t, 100);
    }
    struct collector_stats s = stats(t, 0);
    assert_int_equal(s.delivered.records, 0);
    assert_true(s.losses > 3);
    assert_true(dropped(&s) > 0);
    assert_non_null(strstr(t->said, "/dev/full: cannot write: No space left on device"));
    drain(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_a_file),
        TEST(a_file_goes_on_when_there_is_room_again),
        TEST(a_new_run_begins_a_new_file),
        TEST(a_file_that_holds_something_else_is_left_alone),
        TEST(rotates_files),
        TEST(full_disk_costs_what_the_queue_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
