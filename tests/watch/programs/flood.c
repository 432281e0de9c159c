/* flood PORT TIMES: opens and closes many sockets that connect nowhere, and connects thrice. */
#include "connects.h"
#include <time.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    struct timespec now;
    for (int i = 0; i < atoi(argv[2]); i++) close(tcp_socket(0));
    for (int i = 0; i < 3; i++)
        if (connect(tcp_socket(0), (void *)&address, sizeof address)) fail("connect");
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%ld.%09ld\n", (long)now.tv_sec, now.tv_nsec);
    return 0;
}
