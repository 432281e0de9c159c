/* hiding PORT: makes itself invisible to other processes, then connects. */
#include "connects.h"
#include <sys/prctl.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (connect(tcp_socket(0), (void *)&address, sizeof address)) fail("connect");
    return 0;
}
