/*
 * pollgate: reads the options.  What serves comes with the layers above.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"

enum { EXIT_USAGE = 2 };

int
main(int argc, char **argv)
{
	struct options options;
	char *wrong = options_parse(&options, argc, argv);
	int status = wrong ? EXIT_USAGE : EXIT_SUCCESS;

	if (wrong)
		fprintf(stderr, "pollgate: %s\n", wrong);
	else if (options.help)
		options_print_help(stdout);
	else if (options.version)
		printf("pollgate %s\n", PACKAGE_VERSION);
	else if (options.list_options)
		options_print_list(stdout);
	else if (options.check_config)
		options_print_config(&options, stdout);
	free(wrong);
	options_free(&options);
	return status;
}
