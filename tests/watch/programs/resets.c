/* resets PORT REFUSING TIMES: connects and resets (SO_LINGER 0), and is refused, in turn. */
#include "connects.h"

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]), refusing = server_at(argv[2]);
    struct linger now = {1, 0};
    for (int i = 0; i < atoi(argv[3]); i++) {
        int descriptor = tcp_socket(0), refused = tcp_socket(0);
        if (connect(descriptor, (void *)&address, sizeof address)) fail("connect");
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(descriptor);
        if (argv[2][0] != '0' && !connect(refused, (void *)&refusing, sizeof refusing)) return 1;
        close(refused);
    }
    return 0;
}
