driver_MAIN := driver/main.c
driver_SRCS += $(filter-out $(driver_MAIN),$(wildcard driver/*.c driver/*/*.c))
POD_PAGES += driver/nbdlift.pod driver/nbdlift-copy.pod \
  driver/plan/nbdlift-plan.pod
ALL += $(BUILD)/nbdlift

$(BUILD)/libdriver.a: $(driver_SRCS:%.c=$(BUILD)/%.o)

$(BUILD)/nbdlift: $(BUILD)/driver/main.o $(BUILD)/libdriver.a \
    $(BUILD)/libova.a $(BUILD)/libvsphere.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)
