# Each plugin is plugins/NAME/plugin.c plus the archives it names.
plugin_SRCS :=
PLUGIN_NAMES :=
PLUGIN_DIR := $(shell pkg-config --variable=plugindir nbdkit 2>/dev/null)
