/* Courier's login program looks for its authentication daemon at a path that is compiled in.
   With this in front, it connects to the path in COURIER_SOCKET instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int connect(int socket, const struct sockaddr *address, socklen_t length)
{
	int (*next)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	const char *path = getenv("COURIER_SOCKET");
	struct sockaddr_un other = { .sun_family = AF_UNIX };

	if (path && address->sa_family == AF_UNIX && strlen(path) < sizeof other.sun_path) {
		strcpy(other.sun_path, path);
		return next(socket, (const struct sockaddr *)&other, sizeof other);
	}
	return next(socket, address, length);
}
