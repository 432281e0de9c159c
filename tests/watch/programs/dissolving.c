/* dissolving PORT TIMES: connects one socket anew, its association dissolved in between. */
#include "connects.h"

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    int descriptor = tcp_socket(0);
    for (int i = 0; i < atoi(argv[2]); i++) {
        if (connect(descriptor, (void *)&address, sizeof address)) fail("connect");
        if (connect(descriptor, &nobody, sizeof nobody)) fail("dissolve");
    }
    return 0;
}
