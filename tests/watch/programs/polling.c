/* polling PORT TIMES: connects without blocking, and calls connect until it says EISCONN. */
#include "connects.h"

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    int calls = 0;
    for (int i = 0; i < atoi(argv[2]); i++) {
        int descriptor = tcp_socket(SOCK_NONBLOCK);
        for (;;) {
            calls++;
            if (connect(descriptor, (void *)&address, sizeof address) == 0) continue;
            if (errno == EISCONN) break;
            if (errno != EINPROGRESS && errno != EALREADY) fail("connect");
        }
        close(descriptor);
    }
    printf("%d\n", calls);
    return 0;
}
