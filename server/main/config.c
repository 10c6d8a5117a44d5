/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the configuration comes from. The sources are read from the strongest to the weakest: flags first, because
 * they may name the file. A weaker source's value is checked and then dropped, so that an error in a file shows even
 * where a flag overrides it.
 */
#include "server/main/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/main/runtime.h"

struct option_row {
	const char *name;
	struct setting_rule rule;
	const char *argument;
	const char *fallback;
	const char *help;
};

static const struct option_row rows[N_OPTIONS] = {
#define O(id, name_, type_, argument_, fallback_, min_, max_, help_)                                                   \
	[OPTION_##id] = { .name = name_,                                                                               \
			  .rule = { .type = SETTING_##type_, .min = min_, .max = max_ },                               \
			  .argument = argument_,                                                                       \
			  .fallback = fallback_,                                                                       \
			  .help = help_ },
#include "server/main/options.def"
#undef O
};

const char *option_name(enum option option)
{
	return rows[option].name;
}

void option_environment_name(enum option option, char name[64])
{
	int n = snprintf(name, 64, "SABIR_%s", rows[option].name);
	for (int i = 6; i < n; i++)
		name[i] = rows[option].name[i - 6] == '-' ? '_'
							  : (char)toupper((unsigned char)rows[option].name[i - 6]);
}

__attribute__((format(printf, 2, 3))) static enum sabir_error invalid(char *detail, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(detail, CONFIG_DETAIL_SIZE, format, args);
	va_end(args);
	return SABIR_INVALID_ARGUMENT;
}

/* ---------------------------------------------------------------- names */

/* Letters to insert, drop or replace until one word is the other. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t len = strlen(b);
	if (len >= 64 || strlen(a) >= 64)
		return 64;
	for (unsigned j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= len; j++) {
			unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
			unsigned shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
			diagonal = row[j];
			row[j] = replace < shorter ? replace : shorter;
		}
	}
	return row[len];
}

/* The beginning of a name is as good as one wrong letter. */
static unsigned nearness(const char *typed, const char *name)
{
	unsigned d = distance(typed, name);
	return *typed && !strncmp(typed, name, strlen(typed)) && d > 1 ? 1 : d;
}

/* What is asked once, of this start or of another server: in the environment or the file it would be asked at every start. */
static bool is_for_the_command_line(enum option option)
{
	return rows[option].rule.type == SETTING_SWITCH || option == OPTION_EVICT;
}

static enum sabir_error find(const char *name, const char *where, char *detail, enum option *option)
{
	unsigned best = 0;
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		if (!strcmp(rows[i].name, name)) {
			*option = (enum option)i;
			return SABIR_OK;
		}
		if (nearness(name, rows[i].name) < nearness(name, rows[best].name))
			best = i;
	}
	/* Far off is no help; half of the name should be right. */
	if (nearness(name, rows[best].name) * 2 <= strlen(rows[best].name))
		return invalid(detail, "%s: unknown option \"%.60s\"; did you mean \"%s\"?", where, name,
			       rows[best].name);
	return invalid(detail, "%s: unknown option \"%.60s\"; see sabird --help", where, name);
}

/* ---------------------------------------------------------------- one value from one source */

static enum sabir_error set(struct config *config, enum option option, enum config_source source, const char *text,
			    const char *where, char *detail)
{
	struct setting read = { 0 };
	char problem[SETTING_DETAIL_SIZE] = "";
	struct setting *now = &config->value[option];
	bool stronger = !now->set || source > config->source[option];
	bool adds = now->set && source == config->source[option] && setting_is_list(rows[option].rule.type);
	enum sabir_error error = setting_read(&rows[option].rule, text, problem, adds ? now : &read);
	if (error) {
		setting_clear(&read);
		(void)invalid(detail, "%s: %s", where, problem);
		return error;
	}
	if (adds)
		return SABIR_OK;
	if (stronger || source == config->source[option]) {
		setting_clear(now);
		*now = read;
		config->source[option] = source;
	} else {
		setting_clear(&read);
	}
	return SABIR_OK;
}

static enum sabir_error read_flags(struct config *config, int argc, char *const *argv, char *detail)
{
	for (int i = 1; i < argc; i++) {
		char name[64], where[80];
		enum option option;
		const char *text = strchr(argv[i], '=');
		size_t len = text ? (size_t)(text - argv[i]) : strlen(argv[i]);
		const char *flag = !strcmp(argv[i], "-h") ? "--help" : !strcmp(argv[i], "-V") ? "--version" : argv[i];
		if (strncmp(flag, "--", 2))
			return invalid(detail, "unexpected argument \"%.60s\"; see sabird --help", argv[i]);
		snprintf(name, sizeof(name), "%.*s", flag == argv[i] ? (int)(len - 2) : 60, flag + 2);
		if (find(name, "command line", detail, &option))
			return SABIR_INVALID_ARGUMENT;
		snprintf(where, sizeof(where), "--%s", name);
		if (rows[option].rule.type == SETTING_SWITCH && text)
			return invalid(detail, "%s takes no value", where);
		if (rows[option].rule.type != SETTING_SWITCH && !text && i + 1 == argc)
			return invalid(detail, "%s needs a value: %s", where, rows[option].argument);
		const char *value = text ? text + 1 : rows[option].rule.type == SETTING_SWITCH ? "" : argv[++i];
		enum sabir_error error = set(config, option, CONFIG_FLAG, value, where, detail);
		if (error)
			return error;
	}
	return SABIR_OK;
}

static enum sabir_error read_environment(struct config *config, char *const *environment, char *detail)
{
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		char name[64];
		option_environment_name((enum option)i, name);
		size_t len = strlen(name);
		if (is_for_the_command_line((enum option)i))
			continue;
		for (char *const *e = environment; e && *e; e++) {
			/* A variable that is set to nothing counts as not set. */
			if (strncmp(*e, name, len) || (*e)[len] != '=' || !(*e)[len + 1])
				continue;
			enum sabir_error error = set(config, (enum option)i, CONFIG_ENVIRONMENT, *e + len + 1, name,
						     detail);
			if (error)
				return error;
			break;
		}
	}
	return SABIR_OK;
}

static char *trim(char *text)
{
	text += strspn(text, " \t\r\n");
	size_t len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = 0;
	return text;
}

static enum sabir_error read_line(struct config *config, char *line, const char *where, char *detail)
{
	enum option option;
	char *name = trim(line);
	if (!*name || *name == '#')
		return SABIR_OK;
	char *equals = strchr(name, '=');
	if (!equals)
		return invalid(detail, "%s: a line is \"name = value\" or begins with #", where);
	*equals = 0;
	name = trim(name);
	char *value = trim(equals + 1);
	enum sabir_error error = find(name, where, detail, &option);
	if (error)
		return error;
	if (is_for_the_command_line(option) || option == OPTION_CONFIG)
		return invalid(detail, "%s: \"%s\" is for the command line only", where, name);
	char there[256];
	snprintf(there, sizeof(there), "%s: %s", where, name);
	return set(config, option, CONFIG_FILE, value, there, detail);
}

static enum sabir_error read_file(struct config *config, const char *path, bool must_exist, char *detail)
{
	FILE *file = fopen(path, "re");
	if (!file && errno == ENOENT && !must_exist)
		return SABIR_OK;
	if (!file) {
		(void)invalid(detail, "%s: %s", path, strerror(errno));
		return SABIR_NOT_FOUND;
	}
	char *line = NULL;
	size_t cap = 0;
	unsigned number = 0;
	enum sabir_error error = SABIR_OK;
	while (!error && getline(&line, &cap, file) > 0) {
		char where[200];
		snprintf(where, sizeof(where), "%.150s:%u", path, ++number);
		error = read_line(config, line, where, detail);
	}
	if (!error && ferror(file)) {
		(void)invalid(detail, "%s: %s", path, strerror(errno));
		error = SABIR_NOT_FOUND;
	}
	free(line);
	fclose(file);
	return error;
}

static enum sabir_error read_fallbacks(struct config *config, char *detail)
{
	enum sabir_error error = SABIR_OK;
	for (unsigned i = 0; i < N_OPTIONS && !error; i++)
		if (*rows[i].fallback)
			error = set(config, (enum option)i, CONFIG_DEFAULT, rows[i].fallback, rows[i].name, detail);
	return error;
}

/* A small memory brings small items along, where nobody has said how large they may be. */
static enum sabir_error fit_fallbacks(struct config *config, char *detail)
{
	char text[32];
	uint64_t quarter = config_number(config, OPTION_MEMORY_LIMIT) / 4;
	if (config->source[OPTION_MAX_ITEM_BYTES] != CONFIG_DEFAULT ||
	    config_number(config, OPTION_MAX_ITEM_BYTES) <= quarter)
		return SABIR_OK;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)quarter);
	return set(config, OPTION_MAX_ITEM_BYTES, CONFIG_DEFAULT, text, "max-item-bytes", detail);
}

/* ---------------------------------------------------------------- all of it */

/* What one option's rule can't say. */
static enum sabir_error check(const struct config *config, char *detail)
{
	if (config_number(config, OPTION_MAX_LANES) < config_number(config, OPTION_RPC_THREADS) + 4)
		return invalid(detail, "max-lanes: the server itself needs more: rpc-threads and 4");
	if (config_number(config, OPTION_MAX_ITEM_BYTES) > config_number(config, OPTION_MEMORY_LIMIT))
		return invalid(detail, "max-item-bytes is larger than memory-limit");
	if (config->value[OPTION_LISTEN].n > 16)
		return invalid(detail, "listen: at most 16 addresses");
	if (config_number(config, OPTION_SNAPSHOT_EVERY) && !config_text(config, OPTION_SNAPSHOT_DIR))
		return invalid(detail, "snapshot-every: where to? It needs snapshot-dir");
	return SABIR_OK;
}

enum sabir_error config_load(int argc, char *const *argv, char *const *environment, const char *default_file,
			     char *detail, struct config *config)
{
	struct config c = { 0 };
	enum sabir_error error = read_flags(&c, argc, argv, detail);
	/* A question about the program is answered whatever the rest says. */
	bool asked = c.value[OPTION_HELP].set || c.value[OPTION_VERSION].set;
	if (!error && !asked)
		error = read_environment(&c, environment, detail);
	const char *path = config_text(&c, OPTION_CONFIG);
	if (!error && !asked && (path || default_file))
		error = read_file(&c, path ? path : default_file, path, detail);
	if (!error)
		error = read_fallbacks(&c, detail);
	if (!error && !asked)
		error = fit_fallbacks(&c, detail);
	if (!error)
		error = check(&c, detail);
	if (error)
		config_fini(&c);
	else
		*config = c;
	return error;
}

enum sabir_error config_choose(char *detail, struct config *config)
{
	char text[512];
	enum sabir_error error = SABIR_OK;
	if (!config->value[OPTION_SOCKET].set) {
		runtime_folder(text, sizeof(text) - sizeof("/sabir.sock"));
		strcat(text, "/sabir.sock");
		error = set(config, OPTION_SOCKET, CONFIG_DEFAULT, text, "socket", detail);
	}
	if (!error && !config->value[OPTION_LISTEN].set) {
		const char *socket = config_text(config, OPTION_SOCKET), *slash = strrchr(socket, '/');
		snprintf(text, sizeof(text), "127.0.0.1:7420,unix:%.*sgrpc.sock", slash ? (int)(slash + 1 - socket) : 0,
			 socket);
		error = set(config, OPTION_LISTEN, CONFIG_DEFAULT, text, "listen", detail);
	}
	return error;
}

void config_fini(struct config *config)
{
	for (unsigned i = 0; i < N_OPTIONS; i++)
		setting_clear(&config->value[i]);
}

/* ---------------------------------------------------------------- telling people */

/* Words of the text in lines of 80 columns from column 29 on. */
static void print_wrapped(FILE *to, const char *text)
{
	size_t column = 0;
	while (*text) {
		size_t len = strcspn(text, " ");
		if (column && column + 1 + len > 51) {
			fprintf(to, "\n%29s", "");
			column = 0;
		}
		fprintf(to, "%s%.*s", column ? " " : "", (int)len, text);
		column += len + (column ? 1 : 0);
		text += len + (text[len] == ' ');
	}
}

static const char help_head[] = "Usage: sabird [OPTION...]\n\n"
				"Serves shared objects (queues, pipes, values, lists, dicts, locks and what else\n"
				"Python's multiprocessing.Manager has) to local programs in shared memory and to\n"
				"any program over gRPC.\n\n";

static const char help_tail[] = "\nEach option up to --log-format can also be given in the environment\n"
				"(--memory-limit is SABIR_MEMORY_LIMIT) and in the configuration file\n"
				"(memory-limit = 1G), --config in the environment; a flag counts more than the\n"
				"environment, the environment more than the file. Sizes take K, M, G, T (powers\n"
				"of 1024), times ms, s, m, h.\n\n"
				"Signals: TERM and INT end the server in good order, a second one at once; HUP\n"
				"reads the log options again; USR1 writes a snapshot; USR2, to the keeper, puts\n"
				"the installed program in the server's place.\n\n"
				"Exit status: 0 in good order, 1 failed to start or is not well, 2 a wrong option\n"
				"or configuration, 3 another server has the socket, the port or the folder\n"
				"of the snapshots, 4 ended before all calls were, 5 the memory that a server\n"
				"before this one has left can't be used.\n";

void config_help(FILE *to)
{
	fputs(help_head, to);
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		char help[600], left[64];
		snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, *rows[i].argument ? " " : "", rows[i].argument);
		snprintf(help, sizeof(help), *rows[i].fallback ? "%s (default %s)" : "%s", rows[i].help,
			 rows[i].fallback);
		fprintf(to, "  %-26s ", left);
		print_wrapped(to, help);
		fputc('\n', to);
	}
	fputs(help_tail, to);
}

void config_print(const struct config *config, FILE *to)
{
	static const char *const sources[] = { "default", "file", "environment", "flag" };
	for (unsigned i = 0; i < N_OPTIONS; i++) {
		char text[2048];
		if (is_for_the_command_line((enum option)i) || i == OPTION_CONFIG)
			continue;
		fprintf(to, "# from: %s\n", sources[config->source[i]]);
		if (!config->value[i].set) {
			fprintf(to, "# %s =\n", rows[i].name);
			continue;
		}
		setting_write(&rows[i].rule, &config->value[i], text, sizeof(text));
		fprintf(to, "%s = %s\n", rows[i].name, text);
	}
}
