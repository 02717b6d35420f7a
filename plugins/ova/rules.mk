ova_SRCS += $(filter-out plugins/ova/plugin.c,$(wildcard plugins/ova/*.c))
plugin_SRCS += plugins/ova/plugin.c
POD_PAGES += plugins/ova/nbdkit-ova-plugin.pod
OVA_PLUGIN := $(BUILD)/plugins/nbdkit-ova-plugin.so
PLUGINS += $(OVA_PLUGIN)
ALL += $(OVA_PLUGIN)

$(BUILD)/libova.a: $(ova_SRCS:%.c=$(BUILD)/%.o)

$(OVA_PLUGIN): $(BUILD)/plugins/ova/plugin.o $(BUILD)/libova.a \
    $(BUILD)/libcommon.a plugins/plugins.syms
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS) $(PLUGIN_LDFLAGS) -Wl,--as-needed \
	  -Wl,--version-script=plugins/plugins.syms -o $@ \
	  $(filter %.o,$^) $(filter %.a,$^) $(LIBS)
