# Man pages: one per POD page; what configures is in section 5.
man_section = $(if $(filter nbdlift-plan,$(basename $(notdir $(1)))),5,1)
MAN_PAGES := $(foreach page,$(POD_PAGES),\
  $(BUILD)/man/$(basename $(notdir $(page))).$(call man_section,$(page)))
ALL += $(MAN_PAGES)

# podchecker's exit status counts errors; its warnings are for "lint".
define POD_RULE
$(BUILD)/man/$(basename $(notdir $(1))).$(call man_section,$(1)): $(1)
	@mkdir -p $$(@D)
	@podchecker $$< >$$@.check 2>&1 || { cat $$@.check >&2; false; }
	@rm $$@.check
	pod2man --utf8 --section=$(call man_section,$(1)) \
	  --name=$(basename $(notdir $(1))) --center=nbdlift \
	  --release="nbdlift $(VERSION)" $$< $$@
endef
$(foreach page,$(POD_PAGES),$(eval $(call POD_RULE,$(page))))
