#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "core/threads.h"

#define OTHERS 3

struct crowd {
    pthread_t thread[OTHERS];
    int end[2]; /* a pipe: closed to end the threads */
    atomic_int running;
    bool deaf;
};

/* A thread that sits in a system call, as one of a library would. */
static void *sit(void *argument)
{
    struct crowd *c = argument;
    char octet;
    sigset_t all;

    if (c->deaf) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    }
    atomic_fetch_add(&c->running, 1);
    while (read(c->end[0], &octet, 1) < 0 && errno == EINTR)
        continue;
    return NULL;
}

static void gather(struct crowd *c, bool deaf)
{
    *c = (struct crowd){.deaf = deaf};
    assert_int_equal(pipe(c->end), 0);
    for (int i = 0; i < OTHERS; i++)
        assert_int_equal(pthread_create(&c->thread[i], NULL, sit, c), 0);
    while (atomic_load(&c->running) < OTHERS)
        poll(NULL, 0, 1);
}

static void disperse(struct crowd *c)
{
    close(c->end[1]);
    for (int i = 0; i < OTHERS; i++)
        pthread_join(c->thread[i], NULL);
    close(c->end[0]);
}

struct visits {
    int count, fail_at;
    pid_t thread[64];
};

static int visit(void *context)
{
    struct visits *v = context;

    v->thread[v->count++] = gettid();
    return v->count == v->fail_at ? -EPERM : 0;
}

static void every_thread_once_and_the_caller_last(void **state)
{
    (void)state;
    struct crowd crowd;
    struct visits v = {0};
    pid_t failed, ids[64];

    gather(&crowd, false);
    int count = threads_list(ids, 64);
    assert_true(count > OTHERS);
    assert_int_equal(threads_each(visit, &v, &failed), 0);
    assert_int_equal(v.count, count);
    assert_int_equal(v.thread[v.count - 1], gettid());
    for (int i = 0; i < v.count; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(v.thread[i], v.thread[j]);
    disperse(&crowd);
}

static void the_first_failure_ends_it_and_names_the_thread(void **state)
{
    (void)state;
    struct crowd crowd;
    struct visits v = {.fail_at = 2};
    pid_t failed = 0;

    gather(&crowd, false);
    assert_int_equal(threads_each(visit, &v, &failed), -EPERM);
    assert_int_equal(v.count, 2);
    assert_int_equal(failed, v.thread[1]);
    disperse(&crowd);
}

static void a_thread_that_blocks_signals_is_an_error(void **state)
{
    (void)state;
    struct crowd crowd;
    struct visits v = {0};
    pid_t failed = 0;

    gather(&crowd, true);
    assert_int_equal(threads_each(visit, &v, &failed), -EBUSY);
    assert_true(failed > 0 && failed != gettid());
    disperse(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_thread_once_and_the_caller_last),
        cmocka_unit_test(the_first_failure_ends_it_and_names_the_thread),
        cmocka_unit_test(a_thread_that_blocks_signals_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
