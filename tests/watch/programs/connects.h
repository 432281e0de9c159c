/* What the programs of this folder share: the address of the server, and failing loudly. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static inline struct sockaddr_in server_at(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void fail(const char *what) {
    perror(what);
    exit(99);
}

static inline int tcp_socket(int flags) {
    int descriptor = socket(AF_INET, SOCK_STREAM | flags, 0);
    if (descriptor < 0) fail("socket");
    return descriptor;
}
