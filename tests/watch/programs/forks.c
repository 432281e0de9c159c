/* forks PORT DEPTH: a tree of processes, two children each; every one connects once. */
#include "connects.h"
#include <sys/wait.h>

static void grow(struct sockaddr_in *address, int depth) {
    for (int i = 0; i < 2 && depth > 0; i++)
        if (fork() == 0) { grow(address, depth - 1); _exit(0); }
    int descriptor = tcp_socket(0);
    if (connect(descriptor, (void *)address, sizeof *address)) fail("connect");
    close(descriptor);
    while (wait(NULL) > 0) ;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    grow(&address, atoi(argv[2]));
    return 0;
}
