/* Loaded into a receiver: its writes to the files in one directory fail, from the n-th one on or
 * that one alone. All other writes, by which its threads wake each other, are made. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long seen;

static int is_inside(int fd, const char *directory)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = readlink(link, path, sizeof path - 1);
    size_t all = strlen(directory);
    return length > (long)all && !memcmp(path, directory, all) && path[all] == '/';
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    const char *directory = getenv("FAILING_DIRECTORY");
    if (directory && is_inside(fd, directory)) {
        long number = ++seen, first = atol(getenv("FAILING_FIRST"));
        if (number == first || (number > first && getenv("FAILING_FOR_GOOD"))) {
            int log = open(getenv("FAILING_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
            syscall(SYS_write, log, "failed\n", 7L);
            close(log);
            errno = atoi(getenv("FAILING_ERRNO"));
            return -1;
        }
    }
    return syscall(SYS_write, fd, bytes, count);
}
