# The API client, the source and the reader; plugin.c is the plugin itself.
vsphere_SRCS += $(filter-out plugins/vsphere/plugin.c,\
  $(wildcard plugins/vsphere/*.c))

$(BUILD)/libvsphere.a: $(vsphere_SRCS:%.c=$(BUILD)/%.o)

plugin_SRCS += plugins/vsphere/plugin.c
POD_PAGES += plugins/vsphere/nbdkit-vsphere-plugin.pod
VSPHERE_PLUGIN := $(BUILD)/plugins/nbdkit-vsphere-plugin.so
PLUGINS += $(VSPHERE_PLUGIN)
ALL += $(VSPHERE_PLUGIN)

$(VSPHERE_PLUGIN): $(BUILD)/plugins/vsphere/plugin.o $(BUILD)/libvsphere.a \
    $(BUILD)/libcommon.a plugins/plugins.syms
	@mkdir -p $(@D)
	$(CC) -shared $(LDFLAGS) $(PLUGIN_LDFLAGS) -Wl,--as-needed \
	  -Wl,--version-script=plugins/plugins.syms -o $@ \
	  $(filter %.o,$^) $(filter %.a,$^) $(LIBS)
