/* rings [PORT]: sets up an io_uring, and connects through it when there is a port. */
#define _GNU_SOURCE
#include "connects.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

int main(int argc, char **argv) {
    struct io_uring_params parameters = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &parameters);
    if (ring < 0) { perror("io_uring_setup"); return 42; }
    if (argc < 2) return 0;
    struct sockaddr_in address = server_at(argv[1]);
    char *queue = mmap(NULL, parameters.sq_off.array + 64, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    entry->opcode = IORING_OP_CONNECT;
    entry->fd = tcp_socket(0);
    entry->addr = (unsigned long)&address;
    entry->off = sizeof address;
    ((unsigned *)(queue + parameters.sq_off.array))[0] = 0;
    *(unsigned *)(queue + parameters.sq_off.tail) += 1;
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) fail("enter");
    return 0;
}
