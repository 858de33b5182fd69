# RPMs by nfpm, one configuration each, driven by GNU make. config.mk says NFPM, the program.

.DELETE_ON_ERROR:
include config.mk
RPMS := $(patsubst nfpm/%.yaml,build/rpms/%.rpm,$(wildcard nfpm/*.yaml))

.PHONY: rpms
rpms: $(RPMS)

.SECONDEXPANSION:
build/rpms/%.rpm: nfpm/%.yaml $$(wildcard src/$$*/*)
	@mkdir -p $(@D)
	$(NFPM) package --packager rpm --config $< --target $@ >/dev/null
