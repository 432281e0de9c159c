/* threads PORT THREADS TIMES: named threads connect after the first thread has ended. */
#define _GNU_SOURCE
#include "connects.h"
#include <pthread.h>

static struct sockaddr_in address;
static int times;

static void *work(void *number) {
    char name[16];
    snprintf(name, sizeof name, "worker-%ld", (long)number);
    pthread_setname_np(pthread_self(), name);
    usleep(20000);
    for (int i = 0; i < times; i++) {
        int descriptor = tcp_socket(0);
        if (connect(descriptor, (void *)&address, sizeof address)) fail("connect");
        close(descriptor);
    }
    return NULL;
}

int main(int argc, char **argv) {
    address = server_at(argv[1]);
    times = atoi(argv[3]);
    for (long i = 0; i < atoi(argv[2]); i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, (void *)i)) fail("pthread_create");
    }
    pthread_exit(NULL);
}
