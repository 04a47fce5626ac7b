/* A local HTTP server that is not quite well: every third request is answered 503, every seventh late. */
#ifndef FAULTY_H
#define FAULTY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int faulty_requests;

static void *faulty_answer(void *argument) {
  static const char bad[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  const int client = (int)(intptr_t)argument;
  const int n = __atomic_add_fetch(&faulty_requests, 1, __ATOMIC_RELAXED);
  char request[2048];
  const struct timespec late = {0, 300000000};
  if (recv(client, request, sizeof request, 0) > 0) {
    if (n % 7 == 0) nanosleep(&late, NULL);
    const char *response = n % 3 == 0 ? bad : good;
    (void)!send(client, response, strlen(response), MSG_NOSIGNAL);
  }
  close(client);
  return NULL;
}

static void *faulty_accept(void *argument) {
  for (;;) {
    pthread_t thread;
    const int client = accept((int)(intptr_t)argument, NULL, NULL);
    if (client >= 0 && pthread_create(&thread, NULL, faulty_answer, (void *)(intptr_t)client) == 0)
      pthread_detach(thread);
  }
  return NULL;
}

/* Its port, or 0. */
static int faulty_start(void) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  pthread_t thread;
  memset(&at, 0, sizeof at);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, (struct sockaddr *)&at, &size) != 0 ||
      pthread_create(&thread, NULL, faulty_accept, (void *)(intptr_t)listener) != 0)
    return 0;
  pthread_detach(thread);
  return ntohs(at.sin_port);
}

#endif /* FAULTY_H */
