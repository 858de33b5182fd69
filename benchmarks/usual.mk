# The usual way to a supplemental pack: a spec for each package, driven by GNU make. Only what changed is made
# again, nothing is shared that -j2 could spoil, and no tool is asked for more than a host needs.
#
# config.mk says LABEL, VERSION, KEY (fingerprint), PUBLIC (its file's name), GPG (path) and GNUPGHOME.

.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory
include config.mk
export GNUPGHOME

ISO := build/$(LABEL)-$(VERSION).iso
TREE := build/iso
PAYLOAD_OPTION := w2.xzdio
RPMBUILD = rpmbuild -bb --quiet --define '_topdir $(CURDIR)/build/top' --define '_rpmdir $(CURDIR)/build/rpms' \
	--define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
	--define '_binary_payload $(PAYLOAD_OPTION)' --define '_smp_mflags -j2'
SIGN = gpg --batch --yes --quiet --local-user $(KEY) --armor --detach-sign --output

.PHONY: pack rpms
pack: $(ISO)

# The RPMs' names follow from their specs: this file is made anew when a spec changes, and make starts over.
build/packages.mk: $(wildcard specs/*.spec)
	@mkdir -p build/rpms $(patsubst %,build/top/%,BUILD BUILDROOT SPECS SRPMS) $(TREE)/Packages
	@awk 'function say() { rpm = "build/rpms/" n "-" v "-" r "." a ".rpm"; print "RPMS += " rpm; \
	      print rpm ": " file " $$(wildcard src/" n "/*)" } \
	      FNR == 1 { if (NR > 1) say(); a = "x86_64"; file = FILENAME } \
	      /^Name:/ { n = $$2 } /^Version:/ { v = $$2 } /^Release:/ { r = $$2 } /^BuildArch:/ { a = $$2 } \
	      END { say() }' $^ >$@
include build/packages.mk

rpms: $(RPMS)

$(RPMS):
	$(RPMBUILD) --define '_sourcedir $(CURDIR)/src/$(basename $(notdir $<))' $<

# Sizes and versions of the payload; its own time changes only when its content does.
build/payload.stamp: $(RPMS)
	@rpm -qp --nosignature --qf '%{NAME} %{VERSION}-%{RELEASE} %{SIZE}\n' $(RPMS) >build/payload.new
	@cmp -s build/payload.new build/payload.txt || cp build/payload.new build/payload.txt
	@touch $@
build/payload.txt: build/payload.stamp ;

$(TREE)/update.xml: build/payload.txt update.xml.in
	size=$$(awk '{ s += $$3 } END { print s }' build/payload.txt) && sed "s/@SIZE@/$$size/" update.xml.in >$@

UPDATE := build/rpms/update-$(LABEL)-$(VERSION)-1.noarch.rpm
CONTROL := build/rpms/control-$(LABEL)-$(VERSION)-1.noarch.rpm

build/update.spec: build/payload.txt update.spec.in
	{ awk '{ print "Requires: " $$1 " >= " $$2 }' build/payload.txt; cat update.spec.in; } >$@
$(UPDATE): build/update.spec $(TREE)/update.xml
	$(RPMBUILD) --define '_sourcedir $(CURDIR)/$(TREE)' $<
$(CONTROL): control.spec precheck.sh
	$(RPMBUILD) --define '_sourcedir $(CURDIR)' $<

ALL := $(RPMS) $(UPDATE) $(CONTROL)
SIGNED := $(ALL:build/rpms/%=$(TREE)/Packages/%)

$(TREE)/Packages/%.rpm: build/rpms/%.rpm
	cp $< $@.new
	rpmsign --addsign --define '_gpg_name $(KEY)' --define '__gpg $(GPG)' $@.new >/dev/null
	mv $@.new $@

# RPMs of older versions go before the index is made.
$(TREE)/repodata/repomd.xml: $(SIGNED) comps.xml
	rm -f $(filter-out $(SIGNED),$(wildcard $(TREE)/Packages/*.rpm))
	createrepo_c --quiet --update --no-database --general-compress-type=gz --groupfile $(CURDIR)/comps.xml $(TREE)

$(TREE)/%.asc: $(TREE)/%
	$(SIGN) $@ $<

$(ISO): $(TREE)/update.xml $(TREE)/update.xml.asc $(TREE)/repodata/repomd.xml $(TREE)/repodata/repomd.xml.asc
	genisoimage -quiet -r -V '$(LABEL)' -o $@.new $(TREE)
	mv $@.new $@
