/* storm PORT TIMES: connects under a storm of signals whose handler restarts system calls. */
#include "connects.h"
#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t storms;

static void on_alarm(int number) { storms++; }

int main(int argc, char **argv) {
    struct sockaddr_in address = server_at(argv[1]);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 20}, {0, 20}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < atoi(argv[2]); i++) {
        int descriptor = tcp_socket(0);
        while (connect(descriptor, (void *)&address, sizeof address))
            if (errno != EINTR) { if (errno == EISCONN) break; fail("connect"); }
        close(descriptor);
    }
    printf("%d\n", (int)storms);
    return 0;
}
