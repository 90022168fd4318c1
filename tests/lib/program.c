/* SPDX-License-Identifier: Apache-2.0 */
/* Promises: the program run is the one built beside the test. */

#include "tests/lib/program.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

char program_output[PROGRAM_OUTPUT_MAX];

static char dir[64];

/* The program lies one directory above the tests. */
static void program_path(char path[512])
{
	ssize_t n = readlink("/proc/self/exe", path, 480);
	char *slash;

	assert(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	assert(slash);
	memcpy(slash, "/../lamina", sizeof("/../lamina"));
}

int program_run(const char *args_fmt, ...)
{
	char path[512], args[2048], command[3072];
	size_t n;
	va_list ap;
	FILE *pipe;
	int status;

	program_path(path);
	va_start(ap, args_fmt);
	vsnprintf(args, sizeof(args), args_fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "'%s' 2>&1 %s", path, args);
	pipe = popen(command, "r");
	assert(pipe);
	n = fread(program_output, 1, sizeof(program_output) - 1, pipe);
	program_output[n] = '\0';
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

unsigned int program_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert(fd >= 0);
	if (bind(fd, (struct sockaddr *)&addr, len) || getsockname(fd, (struct sockaddr *)&addr, &len))
		abort();
	close(fd);
	return ntohs(addr.sin_port);
}

pid_t program_start(const char *output, const char *args_fmt, ...)
{
	char path[512], args[2048], command[3072];
	va_list ap;
	pid_t pid;
	int fd;

	program_path(path);
	va_start(ap, args_fmt);
	vsnprintf(args, sizeof(args), args_fmt, ap);
	va_end(ap);
	snprintf(command, sizeof(command), "exec '%s' %s", path, args);
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert(fd >= 0);
	fflush(NULL);
	pid = fork();
	assert(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
			_exit(126);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(fd);
	return pid;
}

static void output_read(const char *output)
{
	FILE *in = fopen(output, "r");
	size_t n = in ? fread(program_output, 1, sizeof(program_output) - 1, in) : 0;

	program_output[n] = '\0';
	if (in)
		fclose(in);
}

bool program_awaits(const char *output, const char *text)
{
	for (unsigned int ms = 0; ms < PROGRAM_PATIENCE_MS; ms += 10) {
		output_read(output);
		if (strstr(program_output, text))
			return true;
		poll(NULL, 0, 10);
	}
	return program_said(text);
}

int program_end(pid_t pid, int signal)
{
	int status;

	if (signal)
		kill(pid, signal);
	if (waitpid(pid, &status, 0) != pid)
		abort(); /* it is not ours */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool program_said(const char *text)
{
	if (strstr(program_output, text))
		return true;
	fprintf(stderr, "expected \"%s\" in:\n%s\n", text, program_output);
	return false;
}

const char *program_dir(void)
{
	if (!dir[0]) {
		snprintf(dir, sizeof(dir), "/var/tmp/lamina-test-XXXXXX");
		if (!mkdtemp(dir))
			abort();
	}
	return dir;
}

void program_clean(void)
{
	char command[128];

	if (!dir[0])
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		fprintf(stderr, "%s could not be removed\n", dir);
	dir[0] = '\0';
}
