#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "export/spool.h"

#define LEN 1000
#define FRAME (sizeof(struct segment_frame) + LEN)

struct test {
    char path[64];
    int directory;
    struct spool *spool;
    struct spool_found found;
    struct export_count evicted;
    struct spool_loss loss;
    char text[SPOOL_TEXT_MAX];
};

static int fail_write_after = -1, fail_with, fail_read, fail_sync;

static ssize_t failing_pwrite(int fd, const void *octets, size_t len, off_t at)
{
    if (fail_write_after == 0) {
        errno = fail_with;
        return -1;
    }
    if (fail_write_after > 0 && --fail_write_after == 0 && len > 10)
        return pwrite(fd, octets, len / 2, at); /* the disk is full in the middle */
    return pwrite(fd, octets, len, at);
}

static ssize_t failing_pread(int fd, void *octets, size_t len, off_t at)
{
    if (fail_read && at > 5000) {
        errno = EIO;
        return -1;
    }
    return pread(fd, octets, len, at);
}

static int failing_fdatasync(int fd)
{
    if (!fail_sync)
        return fdatasync(fd);
    errno = fail_sync;
    return -1;
}

static const struct spool_io failing_io = {failing_pread, failing_pwrite, failing_fdatasync};

static int open_with(struct test *t, uint64_t bound, uint32_t templates)
{
    struct spool_options o = {
        .directory = t->directory,
        .name = "tcp:collector:4739",
        .bound = bound,
        .templates = templates,
        .io = &failing_io,
    };
    return spool_open(&o, &t->spool, &t->found, t->text);
}

static void reopen(struct test *t)
{
    spool_close(t->spool);
    t->spool = NULL;
    assert_int_equal(open_with(t, 1 << 20, 1), 0);
}

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));

    fail_write_after = -1;
    fail_read = fail_sync = 0;
    snprintf(t->path, sizeof(t->path), "/tmp/weir-spool-XXXXXX");
    assert_non_null(mkdtemp(t->path));
    t->directory = open(t->path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(open_with(t, 1 << 20, 1), 0);
    *state = t;
    return 0;
}

static void inside(const struct test *t, const char *name, char path[300])
{
    snprintf(path, 300, "%s/tcp_collector_4739/%s", t->path, name);
}

static int teardown(void **state)
{
    struct test *t = *state;
    char path[300], file[600];

    spool_close(t->spool);
    inside(t, "", path);
    DIR *d = opendir(path);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        unlink(file);
    }
    closedir(d);
    rmdir(path);
    rmdir(t->path);
    close(t->directory);
    free(t);
    return 0;
}

static int append(struct test *t, uint64_t id)
{
    uint8_t octets[LEN];
    struct message_info info = {
        .len = LEN, .records = 3, .data_records = 3, .packets = id, .octets = 2 * id};

    for (unsigned i = 0; i < LEN; i++)
        octets[i] = (uint8_t)(id + i);
    return spool_append(t->spool, &info, octets, &t->evicted);
}

/* The number of the next message; -1: there is none. */
static int64_t next(struct test *t, uint64_t *ticket)
{
    uint8_t octets[MESSAGE_MAX];
    struct message_info info;

    if (!spool_read(t->spool, &info, octets, ticket, &t->loss))
        return -1;
    assert_int_equal(info.len, LEN);
    assert_int_equal(info.octets, 2 * info.packets);
    for (unsigned i = 0; i < LEN; i++)
        assert_int_equal(octets[i], (uint8_t)(info.packets + i));
    return (int64_t)info.packets;
}

static int64_t next_done(struct test *t)
{
    uint64_t ticket;
    int64_t id = next(t, &ticket);

    if (id >= 0)
        spool_done(t->spool, ticket);
    return id;
}

static void gives_back_in_order(void **state)
{
    struct test *t = *state;

    for (uint64_t id = 1; id <= 500; id++)
        assert_int_equal(append(t, id), 0);
    assert_int_equal(spool_count(t->spool).records, 1500);
    assert_true(spool_segments(t->spool) > 2);
    for (int64_t id = 1; id <= 500; id++)
        assert_int_equal(next_done(t), id);
    assert_int_equal(next_done(t), -1);
    assert_int_equal(spool_count(t->spool).records, 0);
    assert_int_equal(spool_segments(t->spool), 0);
    assert_int_equal(spool_octets(t->spool), 0);
}

static void reads_while_it_writes(void **state)
{
    struct test *t = *state;
    int64_t read = 0;

    for (uint64_t id = 1; id <= 2000; id++) {
        assert_int_equal(append(t, id), 0);
        if (id % 3)
            assert_int_equal(next_done(t), ++read);
    }
    while (read < 2000)
        assert_int_equal(next_done(t), ++read);
    assert_int_equal(next_done(t), -1);
    assert_int_equal(t->evicted.records, 0);
    assert_int_equal(spool_segments(t->spool), 0);
}

static void restart_goes_on_behind_what_was_delivered(void **state)
{
    struct test *t = *state;
    uint64_t ticket;

    for (uint64_t id = 1; id <= 300; id++)
        append(t, id);
    for (int64_t id = 1; id <= 200; id++)
        assert_int_equal(next_done(t), id);
    assert_int_equal(next(t, &ticket), 201); /* read, never delivered */
    reopen(t);
    assert_int_equal(t->found.count.records, 300);
    assert_int_equal(t->found.skipped, 0);
    for (int64_t id = 201; id <= 300; id++)
        assert_int_equal(next_done(t), id);
    reopen(t);
    assert_int_equal(t->found.count.records, 0);
    assert_int_equal(t->found.segments, 0);
}

static void oldest_segment_goes_over_the_bound(void **state)
{
    struct test *t = *state;
    uint64_t count = 0;
    int64_t id, before = 0;

    for (uint64_t i = 1; i <= 5000; i++) {
        assert_int_equal(append(t, i), 0);
        assert_true(spool_octets(t->spool) <= 1 << 20);
    }
    assert_int_equal(t->evicted.records + spool_count(t->spool).records, 15000);
    assert_true(spool_count(t->spool).records > 3 * 700);
    while ((id = next_done(t)) >= 0) {
        assert_true(!before || id == before + 1);
        before = id;
        count += 3;
    }
    assert_int_equal(before, 5000);
    assert_int_equal(t->evicted.records + count, 15000);
    assert_int_equal(append(t, 1), 0); /* works again */
    assert_int_equal(next_done(t), 1);
}

static void evicted_while_in_flight(void **state)
{
    struct test *t = *state;
    uint64_t ticket;

    append(t, 1);
    assert_int_equal(next(t, &ticket), 1);
    assert_true(spool_holds(t->spool, ticket));
    for (uint64_t i = 2; i <= 3000; i++)
        append(t, i);
    assert_false(spool_holds(t->spool, ticket));
    spool_done(t->spool, ticket); /* does no harm */
    assert_int_equal(t->evicted.records + spool_count(t->spool).records, 3 * 2999);
}

/* The disk is full in the middle of a message, then there is room again. */
static void full_disk_changes_nothing(void **state)
{
    struct test *t = *state;

    for (uint64_t id = 1; id <= 10; id++)
        append(t, id);
    for (int round = 0; round < 4; round++) {
        fail_write_after = round / 2;
        fail_with = round % 2 ? EIO : ENOSPC;
        assert_int_equal(append(t, 11), -fail_with);
        assert_int_equal(spool_count(t->spool).records, 30);
        fail_write_after = -1;
    }
    assert_int_equal(append(t, 11), 0);
    reopen(t);
    assert_int_equal(t->found.count.records, 33);
    assert_int_equal(t->found.skipped, 0);
    for (int64_t id = 1; id <= 11; id++)
        assert_int_equal(next_done(t), id);
}

static void unreadable_segment_is_counted(void **state)
{
    struct test *t = *state;
    uint64_t got = 0;

    for (uint64_t id = 1; id <= 300; id++)
        append(t, id);
    fail_read = 1;
    while (next_done(t) >= 0)
        got += 3;
    assert_true(t->loss.errors > 0);
    assert_int_equal(got + t->loss.broken.records, 900);
    assert_int_equal(spool_count(t->spool).records, 0);
    fail_read = 0;
    append(t, 7);
    assert_int_equal(next_done(t), 7);
}

static void failed_sync_is_told(void **state)
{
    struct test *t = *state;

    append(t, 1);
    fail_sync = EIO;
    assert_int_equal(spool_sync(t->spool), -EIO);
    fail_sync = 0;
    assert_int_equal(spool_sync(t->spool), 0);
}

static void damage(const struct test *t, const char *name, off_t at, size_t len)
{
    char path[300];
    uint8_t octets[64];

    inside(t, name, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, octets, len, at), len);
    for (size_t i = 0; i < len; i++)
        octets[i] ^= 0x5a;
    assert_int_equal(pwrite(fd, octets, len, at), len);
    close(fd);
}

#define FIRST "0000000000100000.seg"

static void damage_costs_what_it_covers(void **state)
{
    struct test *t = *state;
    off_t header = sizeof(struct segment_header);

    for (uint64_t id = 1; id <= 20; id++)
        append(t, id);
    damage(t, FIRST, header + 3 * FRAME + 500, 1);  /* message 4 */
    damage(t, FIRST, header + 10 * FRAME + 20, 8);  /* header of message 11 */
    damage(t, FIRST, header + 10 * FRAME + 900, 8); /* and its content */
    for (int64_t id = 1; id <= 20; id++)
        if (id != 4 && id != 11)
            assert_int_equal(next_done(t), id);
    assert_int_equal(next_done(t), -1);
    assert_int_equal(t->loss.damaged.records, 3); /* 11 cannot tell */
    append(t, 21);
    assert_int_equal(next_done(t), 21);
}

static void damage_found_at_the_start(void **state)
{
    struct test *t = *state;

    for (uint64_t id = 1; id <= 20; id++)
        append(t, id);
    damage(t, FIRST, 0, 32); /* no header: from the beginning */
    damage(t, FIRST, 32 + 10 * FRAME, 4);
    reopen(t);
    assert_int_equal(t->found.count.records, 57);
    assert_int_equal(t->found.skipped, 32 + FRAME);
    for (int64_t id = 1; id <= 20; id++)
        if (id != 11)
            assert_int_equal(next_done(t), id);
    assert_int_equal(t->loss.damaged.records, 0);
}

static void truncated_segment(void **state)
{
    struct test *t = *state;
    char path[300];

    for (uint64_t id = 1; id <= 20; id++)
        append(t, id);
    inside(t, FIRST, path);
    assert_int_equal(truncate(path, 32 + 10 * FRAME + 100), 0);
    for (int64_t id = 1; id <= 10; id++)
        assert_int_equal(next_done(t), id);
    assert_int_equal(next_done(t), -1);
    assert_int_equal(t->loss.damaged.records + t->loss.broken.records, 30);
    assert_int_equal(spool_count(t->spool).records, 0);
}

static void strangers_are_left_alone(void **state)
{
    struct test *t = *state;
    static const char *const names[] = {"notes.txt", "00000000000000ff.seg", "ff.seg",
                                        "000000000000000G.seg"};
    char path[300];

    append(t, 1);
    for (unsigned i = 0; i < 4; i++) {
        inside(t, names[i], path);
        FILE *f = fopen(path, "w");
        fputs("something of somebody else, long enough to be looked at twice or more", f);
        fclose(f);
    }
    reopen(t);
    assert_int_equal(t->found.count.records, 3);
    assert_int_equal(t->found.other, 1);
    assert_int_equal(next_done(t), 1);
    for (uint64_t id = 1; id <= 3000; id++)
        append(t, id);
    for (unsigned i = 0; i < 4; i++) {
        inside(t, names[i], path);
        assert_int_equal(access(path, F_OK), 0);
        unlink(path);
    }
}

static void other_templates_are_left_alone(void **state)
{
    struct test *t = *state;

    append(t, 1);
    spool_close(t->spool);
    assert_int_equal(open_with(t, 1 << 20, 2), 0);
    assert_int_equal(t->found.other, 1);
    assert_int_equal(spool_count(t->spool).records, 0);
    append(t, 2);
    reopen(t); /* the first again */
    assert_int_equal(t->found.count.records, 3);
    assert_int_equal(next_done(t), 1);
}

static void second_sensor_is_refused(void **state)
{
    struct test *t = *state;
    struct spool *first = t->spool;

    assert_int_equal(open_with(t, 1 << 20, 1), -EBUSY);
    assert_non_null(strstr(t->text, "another sensor"));
    t->spool = first;
}

/* A copy is read only after the next start, first of all. */
static void copy_is_for_the_next_start(void **state)
{
    struct test *t = *state;
    uint8_t octets[LEN];
    struct message_info info = {.len = LEN, .records = 3, .packets = 1, .octets = 2};

    for (unsigned i = 0; i < LEN; i++)
        octets[i] = (uint8_t)(1 + i);
    assert_int_equal(spool_copy(t->spool, &info, octets), 0);
    assert_int_equal(next_done(t), -1);
    append(t, 2);
    reopen(t);
    assert_int_equal(t->found.count.records, 6);
    assert_int_equal(next_done(t), 1);
    assert_int_equal(next_done(t), 2);
    assert_int_equal(spool_copy(t->spool, &info, octets), 0);
    spool_copy_drop(t->spool);
    reopen(t);
    assert_int_equal(t->found.count.records, 0);
}

/* What was synchronised is there after kill -9. */
static void killed_writer(void **state)
{
    struct test *t = *state;
    int status;

    spool_close(t->spool);
    t->spool = NULL;
    pid_t child = fork();
    if (child == 0) {
        open_with(t, 1 << 20, 1);
        for (uint64_t id = 1; id <= 100; id++)
            append(t, id);
        spool_sync(t->spool);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(open_with(t, 1 << 20, 1), 0);
    assert_int_equal(t->found.count.records, 300);
    for (int64_t id = 1; id <= 100; id++)
        assert_int_equal(next_done(t), id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_back_in_order),
        TEST(reads_while_it_writes),
        TEST(restart_goes_on_behind_what_was_delivered),
        TEST(oldest_segment_goes_over_the_bound),
        TEST(evicted_while_in_flight),
        TEST(full_disk_changes_nothing),
        TEST(unreadable_segment_is_counted),
        TEST(failed_sync_is_told),
        TEST(damage_costs_what_it_covers),
        TEST(damage_found_at_the_start),
        TEST(truncated_segment),
        TEST(strangers_are_left_alone),
        TEST(other_templates_are_left_alone),
        TEST(second_sensor_is_refused),
        TEST(copy_is_for_the_next_start),
        TEST(killed_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
