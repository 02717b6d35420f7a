# Man pages: one per POD page, section by name.
MAN1 := $(patsubst %,$(BUILD)/man/%.1,nbdlift nbdkit-ova-plugin)
MAN5 := $(BUILD)/man/nbdlift-plan.5
ALL += $(MAN1) $(MAN5)

define POD_RULE
$(BUILD)/man/$(basename $(notdir $(1))).%: $(1)
	@mkdir -p $$(@D)
	podchecker -warnings -warnings $$< 2>/dev/null
	pod2man --utf8 --section=$$* --release="nbdlift $(VERSION)" \
	  --center="nbdlift" --name=$$(basename $$(notdir $$@)) $$< $$@
endef
$(foreach page,$(POD_PAGES),$(eval $(call POD_RULE,$(page))))
