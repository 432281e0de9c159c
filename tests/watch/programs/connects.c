/* connects PORT TIMES: connects and closes, many times over. */
#include "connects.h"

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    for (int i = 0; i < atoi(argv[2]); i++) {
        int descriptor = tcp_socket(0);
        if (connect(descriptor, (void *)&address, sizeof address)) fail("connect");
        close(descriptor);
    }
    return 0;
}
