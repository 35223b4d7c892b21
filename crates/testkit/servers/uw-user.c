/* UW imapd knows the users of the machine. With this in front it knows one more: UW_USER, with the
   hashed password UW_PASSWORD and the home directory UW_HOME, who is whoever runs the mail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static struct passwd *ours(void)
{
	static struct passwd entry;
	const char *uid = getenv("UW_UID"), *gid = getenv("UW_GID");

	entry.pw_name = getenv("UW_USER");
	entry.pw_passwd = getenv("UW_PASSWORD");
	entry.pw_dir = getenv("UW_HOME");
	entry.pw_uid = uid ? atoi(uid) : 0;
	entry.pw_gid = gid ? atoi(gid) : 0;
	entry.pw_gecos = "";
	entry.pw_shell = "/bin/sh";
	return entry.pw_name && entry.pw_passwd && entry.pw_dir ? &entry : NULL;
}

struct passwd *getpwnam(const char *name)
{
	struct passwd *(*next)(const char *) = dlsym(RTLD_NEXT, "getpwnam");
	struct passwd *entry = ours();

	return entry && !strcmp(name, entry->pw_name) ? entry : next(name);
}

struct passwd *getpwuid(uid_t uid)
{
	struct passwd *(*next)(uid_t) = dlsym(RTLD_NEXT, "getpwuid");
	struct passwd *entry = ours();

	return entry && uid == entry->pw_uid ? entry : next(uid);
}
