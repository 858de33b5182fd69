/* Writes what it was asked to watch, once a minute. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char line[256];
	FILE *conf = fopen("/etc/acme-agent.conf", "r");

	if (!conf) {
		perror("/etc/acme-agent.conf");
		return 1;
	}
	while (fgets(line, sizeof line, conf))
		if (!strncmp(line, "watch=", 6))
			fputs(line, stdout);
	fclose(conf);
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "--once"))
		return 0;
	for (;;)
		sleep(60);
}
