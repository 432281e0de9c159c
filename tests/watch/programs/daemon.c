/* daemon PORT PIPE: leaves a daemon that closes everything, waits for the pipe, connects. */
#define _GNU_SOURCE
#include "connects.h"
#include <fcntl.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    if (fork()) return 0;
    setsid();
    if (fork()) return 0;
    for (int i = 0; i < 1024; i++) close(i);
    alarm(30); /* no test leaves it behind */
    char sign;
    int gate = open(argv[2], O_RDONLY);
    if (read(gate, &sign, 1) != 1) return 1;
    for (int i = 0; i < 3; i++) connect(tcp_socket(0), (void *)&address, sizeof address);
    if (read(gate, &sign, 1) != 0) return 1;
    return 0;
}
