common_SRCS += $(wildcard common/*.c common/*/*.c)
$(BUILD)/libcommon.a: $(common_SRCS:%.c=$(BUILD)/%.o)
