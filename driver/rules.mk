driver_MAIN := driver/main.c
# The program that looks into guests; only it needs libguestfs.
guest_MAIN := driver/guest/guest_main.c driver/guest/guest_handle.c
driver_SRCS += $(filter-out $(driver_MAIN) $(guest_MAIN),\
  $(wildcard driver/*.c driver/*/*.c))
POD_PAGES += driver/nbdlift.pod driver/nbdlift-copy.pod \
  driver/plan/nbdlift-plan.pod
ALL += $(BUILD)/nbdlift $(BUILD)/nbdlift-guest

$(BUILD)/libdriver.a: $(driver_SRCS:%.c=$(BUILD)/%.o)

$(BUILD)/nbdlift: $(BUILD)/driver/main.o $(BUILD)/libdriver.a \
    $(BUILD)/libova.a $(BUILD)/libvsphere.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(LIBS)

$(BUILD)/nbdlift-guest: $(guest_MAIN:%.c=$(BUILD)/%.o) \
    $(BUILD)/libdriver.a $(BUILD)/libova.a $(BUILD)/libvsphere.a \
    $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $^ $(GUESTFS_LIBS) $(LIBS)
