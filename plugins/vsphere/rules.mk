# The API client, the source and the reader; plugin.c is the plugin itself.
vsphere_SRCS += $(filter-out plugins/vsphere/plugin.c,\
  $(wildcard plugins/vsphere/*.c))

$(BUILD)/libvsphere.a: $(vsphere_SRCS:%.c=$(BUILD)/%.o)
