/* others PORT: connects UDP and Unix sockets, and does what is no connect at all. */
#include "connects.h"
#include <sys/un.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    unlink(argv[2]);
    strncpy(unix_address.sun_path, argv[2], sizeof unix_address.sun_path - 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (void *)&unix_address, sizeof unix_address)) fail("bind");
    listen(listener, 1);
    if (connect(client, (void *)&unix_address, sizeof unix_address)) fail("unix");
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(udp, (void *)&address, sizeof address)) fail("udp");
    if (sendto(udp, "x", 1, 0, NULL, 0) != 1) fail("sendto");
    connect(-1, (void *)&address, sizeof address);
    connect(0, (void *)&address, sizeof address);
    connect(tcp_socket(0), (void *)8, sizeof address);
    connect(tcp_socket(0), (void *)&address, 3);
    return 0;
}
