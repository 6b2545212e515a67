/*
 * The program's options, from one table (options.def).  A flag wins over POLLGATE_* in the environment (where an empty value
 * counts as none), that over PORT, which replaces the port of --listen, and that over the default.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum options_relay { OPTIONS_RELAY_OTHERS, OPTIONS_RELAY_ALL, OPTIONS_RELAY_SELF, OPTIONS_RELAY_NONE };
enum options_auth { OPTIONS_AUTH_NONE, OPTIONS_AUTH_JWT, OPTIONS_AUTH_HOOK };
enum options_hook_auth { OPTIONS_HOOK_AUTH_NONE, OPTIONS_HOOK_AUTH_GOOGLE };
enum options_log_format { OPTIONS_LOG_AUTO, OPTIONS_LOG_TEXT, OPTIONS_LOG_JSON };

struct option_list {
	size_t count;
	char **items; /* Owned, as they are. */
};

/* The C type of each type of options.def.  An ENUM is the place of the choice, from 0: log_level is an enum log_level. */
#define OPTION_C_STRING char * /* Owned.  Empty, never NULL, for none. */
#define OPTION_C_LIST struct option_list
#define OPTION_C_ENUM int
#define OPTION_C_BOOL bool
#define OPTION_C_DURATION int64_t
#define OPTION_C_SIZE size_t
#define OPTION_C_COUNT uint32_t

struct options {
#define OPTION(field, type, ...) OPTION_C_##type field;
#define ACTION(field, type, ...) OPTION_C_##type field;
#include "base/options.def"
#undef OPTION
#undef ACTION
};

/*
 * Set *options from argv and the environment.  NULL if all is well, else a sentence for the user (to be freed) that names
 * the option and says what it takes; either way options_free is due.  Where help is asked for, nothing else is looked at;
 * with version, list_options or probe the environment is not.
 */
char *options_parse(struct options *options, int argc, char *const *argv);
void options_free(struct options *options);

/* --help; all options with their limits, a line each, fields parted by tabs; the values in effect, without passwords. */
void options_print_help(FILE *out);
void options_print_list(FILE *out);
void options_print_config(const struct options *options, FILE *out);

#endif
