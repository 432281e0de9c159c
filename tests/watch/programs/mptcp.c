/* mptcp PORT TIMES: connects with Multipath TCP (RFC 8684). */
#include "connects.h"

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    for (int i = 0; i < atoi(argv[2]); i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM, 262);
        if (descriptor < 0) return 42;
        if (connect(descriptor, (void *)&address, sizeof address)) fail("connect");
        close(descriptor);
    }
    return 0;
}
