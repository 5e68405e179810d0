/*
 * syslog.c -- syslog(3) for a container without /dev/log, as a preloaded library.
 *
 * Every line becomes one datagram "<PRI>ident[pid]: text" to the unix socket named by $GOVUC_LOG, by default
 * /run/cyrus/log, which the guard binds. It can't go to stderr: in a service of Cyrus descriptors 0 to 2 are the
 * client's connection. A full queue is waited for, up to a second, and the line is then lost: the engine must
 * not hang on its log. setlogmask() stays the C library's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

static char ident[64];
static int facility = LOG_USER;

void openlog(const char *name, int option, int fac)
{
    (void) option;
    snprintf(ident, sizeof(ident), "%s", name ? name : "");
    if (fac && !(fac & ~LOG_FACMASK)) facility = fac;
}

void closelog(void)
{
    ident[0] = '\0';
}

/* Connects anew for each line: the services close every descriptor they don't know, and lines are few. */
static void send_line(const char *line, size_t len)
{
    const char *path = getenv("GOVUC_LOG");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 1 };
    int fd;

    if (!path) path = "/run/cyrus/log";
    if (strlen(path) >= sizeof(to.sun_path)) return;
    strcpy(to.sun_path, path);

    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    sendto(fd, line, len, MSG_NOSIGNAL, (struct sockaddr *) &to, sizeof(to));
    close(fd);
}

void vsyslog(int priority, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    int saved = errno;
    int len, text;

    if (!(setlogmask(0) & LOG_MASK(LOG_PRI(priority)))) return;
    if (!(priority & LOG_FACMASK)) priority |= facility;

    len = snprintf(line, sizeof(line), "<%d>%s[%d]: ", priority, ident[0] ? ident : program_invocation_short_name,
                   (int) getpid());
    errno = saved;  /* for %m */
    text = vsnprintf(line + len, sizeof(line) - len, format, args);
    if (text > 0) {
        len += text;
        if (len >= (int) sizeof(line)) len = sizeof(line) - 1;
        while (len && line[len - 1] == '\n') len--;
        send_line(line, len);
    }
    errno = saved;
}

void syslog(int priority, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}

/* What programs built with _FORTIFY_SOURCE call instead. */
void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
    (void) flag;
    vsyslog(priority, format, args);
}

void __syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;

    (void) flag;
    va_start(args, format);
    vsyslog(priority, format, args);
    va_end(args);
}
