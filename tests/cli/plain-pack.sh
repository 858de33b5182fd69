#!/bin/sh
# A pack by the plain tools alone, as the public build-update makes one:
#   plain-pack.sh OUT.iso UUID LABEL VERSION KEYFILE GNUPGHOME BASE_REQUIRES RPM..
set -eu
out=$1 uuid=$2 label=$3 version=$4 keyfile=$5 GNUPGHOME=$6 requires=$7
shift 7
export GNUPGHOME
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/Packages" "$work/SOURCES"
size=0
for rpm in "$@"; do
    cp "$rpm" "$root/Packages/"
    size=$((size + $(rpm -qp --nosignature --qf '%{size}' "$rpm")))
    rpm -qp --nosignature --qf 'Requires: %{name} >= %{version}-%{release}\n' "$rpm" >> "$work/requires"
done
key=$(basename "$keyfile")
cat > "$root/update.xml" <<EOF
<update name-label="$label" version="$version" uuid="$uuid" installation-size="$size" after-apply-guidance="restartHost" key="$key" control="control-$label">
  <name-description>Acme, by plain tools</name-description>
</update>
EOF
cp "$root/update.xml" "$work/SOURCES/update.xml"
cat > "$work/update.spec" <<EOF
Name: update-$label
Version: $version
Release: 1
Summary: update $label
License: none
BuildArch: noarch
Source0: update.xml
$(cat "$work/requires")
%description
Acme, by plain tools
%install
install -D -m 644 %{SOURCE0} %{buildroot}/var/update/applied/$uuid
%posttrans
echo $uuid >>/run/reboot-required.hfxs
%files
/var/update/applied/$uuid
EOF
cat > "$work/SOURCES/precheck" <<'EOF'
#!/bin/sh
exit 0
EOF
cat > "$work/control.spec" <<EOF
Name: control-$label
Version: $version
Release: 1
Summary: control $label
License: none
BuildArch: noarch
Source0: precheck
Requires: $requires
%description
Acme, by plain tools
%install
install -D -m 755 %{SOURCE0} %{buildroot}/var/update/$uuid/precheck
%files
/var/update/$uuid/precheck
EOF
for spec in update control; do
    rpmbuild -bb --quiet --define "_topdir $work" --define "_binary_payload w2.xzdio" "$work/$spec.spec" >&2
done
cp "$work"/RPMS/noarch/*.rpm "$root/Packages/"
uid=$(gpg --batch -k --with-colons | awk -F: '$1=="uid" {print $10; exit}')
rpmsign --addsign --define "_gpg_name $uid" --define "__gpg $(command -v gpg)" "$root"/Packages/*.rpm >&2
cat > "$work/groups.xml" <<EOF
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
   <id>update</id>
   <default>False</default>
   <uservisible>True</uservisible>
   <name>$label</name>
   <description></description>
    <packagelist>
      <packagereq type="mandatory">update-$label</packagereq>
    </packagelist>
  </group>
</comps>
EOF
createrepo_c --quiet --general-compress-type=gz --checksum sha256 -g "$work/groups.xml" "$root" >&2
gpg --batch --yes --armor --detach-sign -u "$uid" "$root/update.xml"
gpg --batch --yes --armor --detach-sign -u "$uid" "$root/repodata/repomd.xml"
genisoimage -quiet -r -V "$label" -o "$out" "$root"
