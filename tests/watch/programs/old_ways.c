/* old_ways PORT: connects as 32-bit programs do, with connect and with socketcall. */
#define _GNU_SOURCE
#include "connects.h"
#include <sys/mman.h>

static int call_32(int number, unsigned first, unsigned second, unsigned third) {
    int result;
    __asm__ volatile("int $0x80" : "=a"(result)
                     : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
    return result;
}

int main(int argc, char **argv) {
    struct sockaddr_in *address =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned *arguments = (unsigned *)((char *)address + 256);
    *address = server_at(argv[1]);
    unsigned where = (unsigned)(unsigned long)address;
    if (call_32(362, tcp_socket(0), where, sizeof *address)) return 1;
    arguments[0] = tcp_socket(0);
    arguments[1] = where;
    arguments[2] = sizeof *address;
    if (call_32(102, 3, (unsigned)(unsigned long)arguments, 0)) return 2;
    return 0;
}
