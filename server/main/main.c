/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabird. Reads the configuration, answers the questions about the program, or runs the server.
 */
#include <stdio.h>
#include <unistd.h>

#include "proto/attach/attach.h"
#include "proto/segment/layout.h"
#include "server/main/config.h"
#include "server/main/health.h"
#include "server/main/keeper.h"
#include "server/main/owners.h"
#include "server/main/runtime.h"
#include "server/main/server.h"
#include "server/main/signals.h"
#include "server/main/snapshot_now.h"

extern char **environ;

struct command_line {
	int argc;
	char **argv;
	const struct config *config;
};

static enum sabir_error load(void *context, char *detail, struct config *config)
{
	const struct command_line *line = context;
	return config_load(line->argc, line->argv, environ, CONFIG_DEFAULT_FILE, detail, config);
}

static int serve(void *context, struct kept *kept, int keeper)
{
	struct command_line *line = context;
	return server_run(line->config, load, line, kept, keeper);
}

/* As the child of a keeper, as the keeper of one, or without. */
static int run_server(struct command_line *line, struct config *config)
{
	const struct keeper_options keeper = { .config = config, .serve = serve, .context = line, .argv = line->argv };
	struct kept kept = { 0 };
	int socket, status;
	line->config = config;
	keeper_remember(line->argv);
	runtime_set_log(config);
	if (keeper_started_this(&kept, &socket, &status)) {
		status = status ? status : serve(line, &kept, socket);
		kept_fini(&kept);
		return status;
	}
	kept_from_environment(&kept);
	if (config_number(config, OPTION_KEEPER))
		return keeper_run(&keeper, &kept);
	return serve(line, &kept, -1);
}

static int run(struct command_line *line, struct config *config)
{
	char detail[CONFIG_DETAIL_SIZE];
	if (config->value[OPTION_HELP].set) {
		config_help(stdout);
		return EXIT_IN_ORDER;
	}
	if (config->value[OPTION_VERSION].set) {
		printf("sabird %s (memory layout %u, attach protocol %u)\n", SABIR_VERSION, SEG_LAYOUT_VERSION,
		       ATTACH_VERSION);
		return EXIT_IN_ORDER;
	}
	if (config_choose(detail, config)) {
		fprintf(stderr, "sabird: %s\n", detail);
		return EXIT_USAGE;
	}
	if (config->value[OPTION_PRINT_CONFIG].set) {
		config_print(config, stdout);
		return EXIT_IN_ORDER;
	}
	if (config->value[OPTION_HEALTH].set)
		return health_ask(config_text(config, OPTION_SOCKET));
	if (config->value[OPTION_OWNERS].set)
		return owners_list(config_text(config, OPTION_SOCKET));
	if (config->value[OPTION_EVICT].set)
		return owners_evict(config_text(config, OPTION_SOCKET), config_number(config, OPTION_EVICT));
	if (config->value[OPTION_SNAPSHOT].set)
		return snapshot_now(config_text(config, OPTION_SOCKET));
	if (config->value[OPTION_UPGRADE].set)
		return health_upgrade(config_text(config, OPTION_SOCKET));
	return run_server(line, config);
}

int main(int argc, char **argv)
{
	struct command_line line = { .argc = argc, .argv = argv };
	struct config config;
	char detail[CONFIG_DETAIL_SIZE];
	if (load(&line, detail, &config)) {
		fprintf(stderr, "sabird: %s\n", detail);
		return EXIT_USAGE;
	}
	int status = run(&line, &config);
	config_fini(&config);
	return status;
}
