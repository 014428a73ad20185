#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define S UINT64_C(1000000000)
#define WORDS_MAX 16
#define OUTPUT_MAX 4096

enum { FORMAT, FILTER, QUIET, VERBOSE };

static const struct cli_option options[] = {
    [FORMAT] = {"format", 'f', "table|zeek|json", "face of a record"},
    [FILTER] = {"filter", 'F', "BPF", "packets to read"},
    [QUIET] = {"quiet", 'q', NULL, "print less"},
    [VERBOSE] = {"verbose", 0, NULL, "print more"},
    {NULL},
};
static const struct cli_command command = {.name = "try",
                                           .about = "Tries options.",
                                           .operand = "CAPTURE",
                                           .options = options,
                                           .examples = "  weir try x\n"};
static const struct cli_command bare = {
    .name = "bare", .about = "Takes nothing.", .options = options + COUNT(options) - 1};

/* One parse: the words, what came of them, and what was printed. */
struct run {
    char words[512];
    char *argv[WORDS_MAX + 1];
    int argc;
    struct cli_args args;
    bool go_on;
    char out[OUTPUT_MAX], err[OUTPUT_MAX];
};

static void split(struct run *run, const char *line)
{
    snprintf(run->words, sizeof(run->words), "%s", line);
    run->argc = 0;
    for (char *word = strtok(run->words, " "); word; word = strtok(NULL, " ")) {
        assert_true(run->argc < WORDS_MAX);
        run->argv[run->argc++] = word;
    }
    run->argv[run->argc] = NULL;
}

/* Sends what goes to fd into file; returns a descriptor for what was there before. */
static int redirect(FILE *stream, int fd, FILE *file)
{
    fflush(stream);
    int saved = dup(fd);
    dup2(fileno(file), fd);
    return saved;
}

static void restore(FILE *stream, int fd, int saved, FILE *file, char *text)
{
    fflush(stream);
    dup2(saved, fd);
    close(saved);
    rewind(file);
    text[fread(text, 1, OUTPUT_MAX - 1, file)] = '\0';
    fclose(file);
}

static void parse(struct run *run, const struct cli_command *cmd, const char *line)
{
    FILE *out = tmpfile(), *err = tmpfile();

    split(run, line);
    int saved_out = redirect(stdout, 1, out), saved_err = redirect(stderr, 2, err);
    run->go_on = cli_parse(cmd, run->argc, run->argv, &run->args);
    restore(stdout, 1, saved_out, out, run->out);
    restore(stderr, 2, saved_err, err, run->err);
}

static void long_and_short_options_are_read(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "try --format json --filter tcp --quiet a",
        "try --format=json --filter=tcp --quiet a",
        "try -f json -F tcp -q a",
        "try -fjson -Ftcp -q a",
        "try -qf json -F tcp a",
        "try -qfjson a -F tcp",
        "try a -f zeek -f json -F x -F tcp -q",
    };
    struct run run;

    for (size_t i = 0; i < COUNT(lines); i++) {
        parse(&run, &command, lines[i]);
        assert_true(run.go_on);
        assert_string_equal(run.args.value[FORMAT], "json");
        assert_string_equal(run.args.value[FILTER], "tcp");
        assert_string_equal(run.args.value[QUIET], "");
        assert_null(run.args.value[VERBOSE]);
        assert_int_equal(run.args.operand_count, 1);
        assert_string_equal(run.args.operands[0], "a");
        assert_string_equal(run.out, "");
        assert_string_equal(run.err, "");
    }
}

static void operands_mix_with_options(void **state)
{
    (void)state;
    struct run run;
    static const char *const expected[] = {"a", "-", "b", "--quiet", "--", "-c"};

    parse(&run, &command, "try a --quiet - --flow.idle 9s b -- --quiet -- -c");
    assert_true(run.go_on);
    assert_int_equal(run.args.operand_count, COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_string_equal(run.args.operands[i], expected[i]);
    assert_int_equal(run.args.config.flow.idle_ns, 9 * S);
}

static void any_configuration_key_can_be_set(void **state)
{
    (void)state;
    struct run run;

    parse(&run, &command, "try --flow.idle 9s --flow.keep.tcp=2h --flow.decap= a --flow.idle=8s");
    assert_true(run.go_on);
    assert_int_equal(run.args.config.flow.idle_ns, 8 * S);
    assert_int_equal(run.args.config.flow.keep_ns[KEEP_TCP_ESTABLISHED], 7200 * S);
    assert_int_equal(run.args.config.flow.decap, 0);
    assert_int_equal(run.args.config.flow.active_ns, 60 * S);
}

static void collectors_are_set_and_checked(void **state)
{
    (void)state;
    static struct config again;
    struct config_error error;
    struct run run;

    parse(&run, &command,
          "try --export.collectors=tcp://h --export.collectors[0].port 4740 a "
          "--export.collectors[1].host=i");
    assert_true(run.go_on);
    assert_int_equal(run.args.config.exports.collector_count, 2);
    assert_int_equal(run.args.config.exports.collector[0].port, 4740);
    assert_string_equal(run.args.config.exports.collector[1].name, "tcp-i-4739");
    config_defaults(&again);
    assert_int_equal(cli_overlay(&run.args, &again, &error), 0);
    assert_int_equal(again.exports.collector_count, 2);
    assert_int_equal(again.exports.collector[0].port, 4740);
    run.args.config.capture.ring = 1000;
    assert_false(cli_check_config(&command, &run.args));
    assert_int_equal(run.args.exit_code, CLI_USAGE);
}

static void the_file_comes_before_the_keys(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX", line[128];
    int fd = mkstemp(path);
    static const char text[] = "flow: {idle: 5s, active: 6s}\n";
    static const char *const formats[] = {
        "try -c %s --flow.idle 9s a", "try --flow.idle 9s a -c %s",
        "try --flow.idle 9s a --config=%s", "try --flow.idle 9s -qc%s a"};
    struct run run;

    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    for (size_t i = 0; i < COUNT(formats); i++) {
        snprintf(line, sizeof(line), formats[i], path);
        parse(&run, &command, line);
        assert_true(run.go_on);
        assert_int_equal(run.args.config.flow.idle_ns, 9 * S);
        assert_int_equal(run.args.config.flow.active_ns, 6 * S);
        assert_int_equal(run.args.operand_count, 1);
    }
    unlink(path);
}

static void mistakes_are_one_line_and_exit_2(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"try --foo a", "weir try: --foo: no such option (see weir try --help)\n"},
        {"try --foo=1 a", "weir try: --foo: no such option (see weir try --help)\n"},
        {"try --form json a", "weir try: --form: no such option (see weir try --help)\n"},
        {"try --=1 a", "weir try: --: no such option (see weir try --help)\n"},
        {"try -x a", "weir try: -x: no such option (see weir try --help)\n"},
        {"try -qx a", "weir try: -x: no such option (see weir try --help)\n"},
        {"try a -f", "weir try: --format: needs a value: table|zeek|json (see weir try --help)\n"},
        {"try a --filter", "weir try: --filter: needs a value: BPF (see weir try --help)\n"},
        {"try -f xml a",
         "weir try: --format: \"xml\" is not one of table|zeek|json (see weir try --help)\n"},
        {"try --format= a",
         "weir try: --format: \"\" is not one of table|zeek|json (see weir try --help)\n"},
        {"try -f zeek|json a",
         "weir try: --format: \"zeek|json\" is not one of table|zeek|json (see weir try --help)\n"},
        {"try --quiet=1 a", "weir try: --quiet: takes no value (see weir try --help)\n"},
        {"try", "weir try: no CAPTURE given (see weir try --help)\n"},
        {"try --", "weir try: no CAPTURE given (see weir try --help)\n"},
        {"try a --flow.idle", "weir try: --flow.idle: needs a value (see weir try --help)\n"},
        {"try a --flow.idle x", "weir try: --flow.idle: \"x\" is not a duration (100ms..30d)\n"},
        {"try a --flow.idel 1", "weir try: --flow.idel: no such key (did you mean flow.idle?)\n"},
        {"try a --export.collectors[1].port 1",
         "weir try: --export.collectors[1].port: there are only 0\n"},
        {"try a --capture.ring 1000", "weir try: capture.ring: 1000 is not a power of two\n"},
        {"try a -c /nonexistent/weir.yaml", "/nonexistent/weir.yaml: No such file or directory\n"},
    };
    struct run run;

    for (size_t i = 0; i < COUNT(cases); i++) {
        parse(&run, &command, cases[i][0]);
        assert_false(run.go_on);
        assert_int_equal(run.args.exit_code, CLI_USAGE);
        assert_string_equal(run.err, cases[i][1]);
        assert_string_equal(run.out, "");
    }
    parse(&run, &bare, "bare a");
    assert_int_equal(run.args.exit_code, CLI_USAGE);
    assert_string_equal(run.err, "weir bare: \"a\": takes no operands (see weir bare --help)\n");
}

static void a_long_key_is_refused(void **state)
{
    (void)state;
    char line[512] = "try a --flow.";
    struct run run;

    memset(line + strlen(line), 'x', 300);
    parse(&run, &command, line);
    assert_int_equal(run.args.exit_code, CLI_USAGE);
    assert_non_null(strstr(run.err, "no such key"));
}

static void help_shows_the_table(void **state)
{
    (void)state;
    static const char *const lines[] = {"try --help", "try -h", "try -qh", "try a -f json -h b"};
    static const char help[] =
        "Usage: weir try [OPTION]... CAPTURE...\n"
        "Tries options.\n"
        "\n"
        "  -f, --format table|zeek|json  face of a record\n"
        "  -F, --filter BPF              packets to read\n"
        "  -q, --quiet                   print less\n"
        "      --verbose                 print more\n"
        "  -c, --config FILE             configuration file (YAML); without one, the defaults\n"
        "  -h, --help                    print this help\n"
        "      --SECTION.KEY VALUE       set a configuration key, over the file (weir check "
        "--keys)\n"
        "\n"
        "Examples:\n"
        "  weir try x\n";
    struct run run;

    for (size_t i = 0; i < COUNT(lines); i++) {
        parse(&run, &command, lines[i]);
        assert_false(run.go_on);
        assert_int_equal(run.args.exit_code, CLI_OK);
        assert_string_equal(run.out, help);
        assert_string_equal(run.err, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_and_short_options_are_read),
        cmocka_unit_test(operands_mix_with_options),
        cmocka_unit_test(any_configuration_key_can_be_set),
        cmocka_unit_test(collectors_are_set_and_checked),
        cmocka_unit_test(the_file_comes_before_the_keys),
        cmocka_unit_test(mistakes_are_one_line_and_exit_2),
        cmocka_unit_test(a_long_key_is_refused),
        cmocka_unit_test(help_shows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
