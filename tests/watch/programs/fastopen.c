/* fastopen PORT: one connection each with sendto, sendmsg and sendmmsg (RFC 7413). */
#define _GNU_SOURCE
#include "connects.h"
#include <netinet/tcp.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    struct iovec part = {"x", 1};
    struct mmsghdr message = {.msg_hdr = {&address, sizeof address, &part, 1}};
    int one = tcp_socket(0), two = tcp_socket(0), three = tcp_socket(0);
    if (sendto(one, "x", 1, MSG_FASTOPEN, (void *)&address, sizeof address) < 0) fail("sendto");
    if (sendmsg(two, &message.msg_hdr, MSG_FASTOPEN) < 0) fail("sendmsg");
    if (sendmmsg(three, &message, 1, MSG_FASTOPEN) < 0) fail("sendmmsg");
    if (send(one, "y", 1, MSG_NOSIGNAL) != 1) fail("send");
    if (sendmsg(two, &message.msg_hdr, 0) < 0 && errno != EISCONN) fail("sendmsg");
    return 0;
}
