# Each plugin is plugins/NAME/plugin.c plus the archives it names; its
# rules.mk adds it to these lists.
PLUGINS :=
