#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>

#include "core/signals.h"

static void each_is_a_request(void **state)
{
    static const struct {
        int number;
        enum signal_request request;
    } meant[] = {
        {SIGTERM, REQUEST_END},    {SIGINT, REQUEST_END},  {SIGQUIT, REQUEST_END},
        {SIGPWR, REQUEST_END},     {SIGXCPU, REQUEST_END}, {SIGHUP, REQUEST_RELOAD},
        {SIGUSR1, REQUEST_LEDGER},
    };
    const char *name = NULL;
    struct signals s;

    (void)state;
    assert_int_equal(signals_open(&s), 0);
    assert_int_equal(signals_take(&s, &name), REQUEST_NONE);
    for (size_t i = 0; i < sizeof(meant) / sizeof(*meant); i++) {
        raise(meant[i].number);
        assert_int_equal(signals_take(&s, &name), meant[i].request);
        assert_non_null(name);
        assert_int_equal(signals_take(&s, &name), REQUEST_NONE);
    }
    signals_close(&s);
    raise(SIGTERM); /* at its end a process is not cut short */
}

static void the_others_do_nothing(void **state)
{
    static const int others[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGUSR2,
                                 SIGIO,   SIGPIPE,   SIGXFSZ, SIGSTKFLT};

    (void)state;
    signals_ignore_others();
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        raise(others[i]);
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
        raise(number);
}

static int seen;

static void on_signal(int number)
{
    seen = number;
}

static void what_a_library_has_taken_stays(void **state)
{
    (void)state;
    signal(SIGRTMIN + 3, on_signal);
    signals_ignore_others();
    raise(SIGRTMIN + 3);
    assert_int_equal(seen, SIGRTMIN + 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_a_request),
        cmocka_unit_test(the_others_do_nothing),
        cmocka_unit_test(what_a_library_has_taken_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
