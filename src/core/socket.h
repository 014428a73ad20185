/*
 * The local control socket: a unix stream socket that takes one command per line and answers in
 * lines, the last of them empty. Unknown commands are answered with a line "error: ...".
 *
 * It is driven by the control thread and never makes it wait: socket_fd() polls readable when there
 * is something to do, socket_step() does what can be done at once. At most SOCKET_CLIENTS_MAX
 * clients; more are turned away with an error line. A client that does not read its answers is not
 * read from either.
 */
#pragma once

#include <stdio.h>

struct control_socket;

#define SOCKET_CLIENTS_MAX 16
#define SOCKET_LINE_MAX 256
#define SOCKET_ERROR_MAX 256

struct socket_command {
    const char *name;
    const char *help; /* one line */
    /* Writes the answer, whole lines without an empty one. argument: the rest of the line, may be
     * empty. */
    void (*run)(void *context, const char *argument, FILE *out);
};

/*
 * commands: up to an entry without name; "help" is added. The socket file has mode 0660 and, when
 * owner is a user's name, belongs to that user and his group. A file left by a dead process is
 * replaced, that of a live one refused. Returns 0; or -errno and one line at error.
 */
int control_socket_open(const char *path, const char *owner, const struct socket_command *commands,
                        void *context, struct control_socket **, char error[SOCKET_ERROR_MAX]);
int control_socket_fd(const struct control_socket *);
void control_socket_step(struct control_socket *);
/* Closes all clients and removes the file. 0, or -errno when the file stays; NULL is fine. */
int control_socket_close(struct control_socket *);
