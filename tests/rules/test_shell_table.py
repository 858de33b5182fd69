"""Scriptlets that break the S and U rules in many a dress, and harmless ones that look alike: no verdict is wrong."""

from __future__ import annotations

import pytest
from rules.conftest import SETS_PREVIOUS, profile_of

from xspack_tool.rpm.info import RpmInfo, Scriptlet
from xspack_tool.rules.context import RpmContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import all_rules

pytestmark = pytest.mark.usefixtures("bash")
IDS = {"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "U1", "U2", "U4"}
RESTORE = "iptables-restore < /etc/sysconfig/iptables\n"
SAVE = "iptables-save > /etc/sysconfig/iptables\n"
ADD = "iptables -I RH-Firewall-1-INPUT -p tcp --dport 5900 -j ACCEPT\n"

#: (name, phase, script, what is found: rule:line, with ! for a severity other than the rule's own)
BAD = [
    ("plain start", "post", "systemctl start acme\nexit 0", "S1:1"),
    ("absolute path", "post", "/usr/bin/systemctl restart acme.service || :", "S1:1"),
    ("option before the verb", "post", "systemctl --no-block -q start acme || :", "S1:1"),
    ("enable --now", "post", "systemctl enable --now acme.service || :", "S1:1"),
    ("--now enable", "post", "systemctl --now enable acme.service || :", "S1:1"),
    ("variable verb", "post", 'ACTION=start\nsystemctl "$ACTION" acme || :', "S1:2"),
    ("variable program", "post", "CTL=/bin/systemctl\n$CTL start acme || :", "S1:2"),
    ("a whole command in a variable", "post", 'CMD="systemctl start"\n$CMD acme || :', "S1:2"),
    ("braces and a default", "post", "${CTL:-systemctl} start acme || :", "S1:1"),
    ("quotes in the middle", "post", "sys'temctl' st\"art\" acme || :", "S1:1"),
    ("a backslash", "post", "\\systemctl start acme || :", "S1:1"),
    ("continued line", "post", "echo one\nsystemctl \\\n  start acme || :", "S1:2"),
    ("env", "post", "env LANG=C systemctl start acme || :", "S1:1"),
    ("env with options", "post", "/usr/bin/env -i -u HOME PATH=/bin systemctl start acme || :", "S1:1"),
    ("prefix assignment", "post", "LANG=C systemctl start acme || :", "S1:1"),
    ("exec", "post", "exec systemctl start acme", "S1:1"),
    ("command", "post", "command -p service acme start || :", "S1:1"),
    ("timeout", "post", "timeout -k 5 30 service acme restart || :", "S1:1"),
    ("nested wrappers", "post", "nice -n 5 ionice -c 3 env X=1 service acme start || :", "S1:1"),
    ("init script", "post", "/etc/init.d/acme start >/dev/null 2>&1 || :", "S1:1"),
    ("init script by variable", "post", "I=/etc/rc.d/init.d\n$I/acme restart || :", "S1:2"),
    ("subshell", "post", "(cd /opt/acme && systemctl start acme) || :", "S1:1"),
    ("group", "post", "{ systemctl start acme; } || :", "S1:1"),
    ("sh -c", "post", "sh -c 'systemctl start acme' || :", "S1:1"),
    ("bash -ec over lines", "post", "bash -ec '\necho one\nsystemctl start acme\n' || :", "S1:3"),
    ("sh -c with arguments", "post", "sh -c 'systemctl $1 $2' - start acme || :", "S1:1"),
    ("sh -c in sh -c", "post", "sh -c \"sh -c 'service acme start'\" || :", "S1:1"),
    ("eval", "post", "V=start\neval \"systemctl $V acme\" || :", "S1:2"),
    ("a called function", "post", "launch() {\n    systemctl start acme\n}\nlaunch || :", "S1:2"),
    ("a function that runs its words", "post", 'run() { "$@"; }\nrun systemctl start acme || :', "S1:1"),
    ("a function with an argument", "post", "ctl() { systemctl $1 acme; }\nctl start || :", "S1:1"),
    ("here-document to sh", "post", "sh <<EOF\nsystemctl start acme\nEOF\n:", "S1:2"),
    ("here-document through cat", "post", "cat <<'EOF' | bash -s\n\nservice acme start\nEOF\n:", "S1:3"),
    ("echo to sh", "post", "echo 'systemctl start acme' | sh\n:", "S1:1"),
    ("here-string", "post", "bash <<< 'systemctl start acme'\n:", "S1:1"),
    ("a script written and run", "post", "cat > /tmp/go <<E\nservice acme start\nE\nsh /tmp/go\n:", "S1:2"),
    ("command substitution", "post", 'out=$(systemctl start acme 2>&1)\necho "$out"', "S1:1"),
    ("pipeline", "post", "yes | service acme start || :", "S1:1"),
    ("and list", "post", "test -x /opt/acme/agent && systemctl start acme || :", "S1:1"),
    ("case", "post", 'case "$1" in\n  1) : ;;\n  *) systemctl start acme ;;\nesac\n:', "S1:3"),
    ("loop", "post", "for unit in acme acme2; do\n    systemctl start $unit || :\ndone", "S1:2"),
    ("loop over verbs", "post", "for verb in enable start; do systemctl $verb acme; done\n:", "S1:1"),
    ("the other branch of runlevel", "post",
     "if runlevel >/dev/null; then :; else service acme start; fi\n:", "S1:1"),
    ("a negated guard", "post", "if ! runlevel >/dev/null 2>&1; then\n  systemctl start acme\nfi\n:", "S1:2"),
    ("before the guard", "post", "systemctl start acme\nrunlevel >/dev/null 2>&1 || exit 0\n:", "S1:1"),
    ("after the guard's end", "post", "if runlevel >/dev/null; then :; fi\nsystemctl start acme || :", "S1:2"),
    ("one of two ways", "post", "V=stop\n[ -e /x ] && V=start\nsystemctl $V acme || :", "S1:3"),
    ("background", "post", "/opt/acme/agent &", "S1:1"),
    ("background subshell", "post", "(sleep 5; /opt/acme/register) &", "S1:1"),
    ("background in sh -c", "post", "sh -c '/opt/acme/agent &' || :", "S1:1"),
    ("nohup", "post", "nohup /opt/acme/agent || :", "S1:1"),
    ("setsid through env", "post", "env A=b setsid -f /opt/acme/agent || :", "S1:1"),
    ("xargs", "post", "echo acme | xargs systemctl start\n:", "S1:1"),
    ("trap", "post", "trap 'systemctl start acme' EXIT\n:", "S1:1"),
    ("restart on a booted host", "post",
     "if runlevel >/dev/null 2>&1; then systemctl restart acme || :; fi", "S1:1!"),
    ("try-restart", "post", "systemctl try-restart acme || :", "S1:1!"),
    ("xe", "post", "xe host-list || :", "S2:1"),
    ("xe by path in a substitution", "post", "HOST=$(/opt/xensource/bin/xe host-list --minimal) || :\n:", "S2:1"),
    ("XenAPI", "post", "python3 -c 'import XenAPI; XenAPI.xapi_local()' || :", "S2:1"),
    ("XenAPI by here-document", "post", "python <<EOF\nimport XenAPI\nEOF\n:", "S2:1"),
    ("ssh to this host", "post", "ssh -q root@localhost true || :", "S2:1"),
    ("is-active", "post", "systemctl is-active -q xapi && echo up\n:", "S2:1"),
    ("xenstore in a function", "post", "f() { xenstore-read vm; }\nf || :", "S2:1"),
    ("rules lost by append alone", "post", "iptables -A acme -j ACCEPT\n:", "S3:1"),
    ("no restore", "post", ADD + SAVE, "S3:1"),
    ("no save", "post", RESTORE + ADD + ":", "S4:2"),
    ("program in a variable", "post", "S=/sbin/iptables\n$S -A acme -j DROP\n" + SAVE, "S3:2"),
    ("restore after", "post", ADD + RESTORE + SAVE, "S3:1"),
    ("save before restore", "post", SAVE + RESTORE + ADD + SAVE, "S5:1"),
    ("restore in another branch", "post", f"if [ -e /x ]; then\n{RESTORE}else\n{ADD}fi\n{SAVE}", "S3:4"),
    ("another file restored", "post", "iptables-restore < /root/rules\n" + ADD + SAVE, "S3:2"),
    ("a test of the saved file", "post", "iptables-restore -t < /etc/sysconfig/iptables\n" + ADD + SAVE, "S3:2"),
    ("several rules and saves, one fault", "post", ADD + ADD + SAVE + ADD + SAVE, "S3:1"),
    ("several rules, none saved", "post", RESTORE + ADD + ADD + ":", "S4:2"),
    ("a fault in each family", "post", ADD + "ip6tables -I INPUT -j ACCEPT\n" + SAVE, "S3:1 S3:2"),
    ("two faults", "post", ADD + SAVE + RESTORE + ADD + ":", "S3:1 S4:4"),
    ("the toolstack is restarted", "post", "xe-toolstack-restart || :", "S1:1"),
    ("a start on upgrade, too", "postun", "systemctl restart acme || :", "S1:1"),
    ("a driver unloaded on upgrade, too", "preun", "rmmod acme || :", "S10:1"),
    ("saved elsewhere", "post", RESTORE + ADD + "iptables-save > /root/rules\n", "S4:2"),
    ("IPv6 is another family", "post", RESTORE + "ip6tables -I INPUT -j ACCEPT\n" + SAVE, "S3:2"),
    ("added in a function", "post", RESTORE + "f() {\n iptables -w -I INPUT -j ACCEPT\n}\nf\n:", "S4:3"),
    ("behind the REJECT", "post", RESTORE + "iptables -A RH-Firewall-1-INPUT -p 6 -j ACCEPT\n" + SAVE, "S6:2"),
    ("INPUT is closed too", "post", RESTORE + "iptables --append INPUT -p 6 -j ACCEPT\n" + SAVE, "S6:2"),
    ("missing fi", "post", "if true; then\n    :\n", "S8:3"),
    ("open quote", "post", 'echo "one\n:', "S8:1"),
    ("a macro that was not known", "post", "%systemd_post acme.service\n:", "S8:1!"),
    ("one in braces", "post", ":\n%{systemd_enable} acme.service\n:", "S8:2!"),
    ("modprobe", "post", "modprobe acme || :", "S10:1"),
    ("insmod by a path", "post", "/sbin/insmod /lib/modules/4.19.0+1/updates/acme.ko || :", "S10:1"),
    ("modprobe -r on a booted host", "post", "if runlevel >/dev/null; then modprobe -r acme; fi\n:", "S10:1"),
    ("rmmod", "post", "rmmod acme 2>/dev/null || :", "S10:1"),
    ("ifdown in a loop", "post", "for nic in eth0 eth1; do\n  ifdown $nic || :\ndone", "S10:2"),
    ("ip link", "post", "ip -4 link set eth0 down || :", "S10:1"),
    ("ifconfig", "post", "ifconfig eth0 down || :", "S10:1"),
    ("test comes last", "post", "[ -e /etc/acme.conf ] && echo there", "S9:1"),
    ("grep comes last in %pre", "pre", "grep -q acme /etc/passwd", "S9:1"),
    ("exit 1 of %post", "post", "if [ ! -e /x ]; then\n    echo no >&2\n    exit 1\nfi", "S9:3"),
    ("exit 1 without a word", "pre", "[ -e /x ] || exit 1", "S9:1"),
    ("set -e", "pre", "set -e\ngetent group acme\nmkdir -p /var/lib/acme", "S9:2"),
    ("status passed on", "post", "/opt/acme/register\nexit $?", "S9:2"),
    ("previous without a test", "post", "cp $XS_PREVIOUS_INSTALLATION/etc/a /etc/a || :", "U1:1"),
    ("previous through a variable", "post", "P=$XS_PREVIOUS_INSTALLATION\ncp -p $P/a /a || :", "U1:1"),
    ("previous tested too late", "post",
     'cp "${XS_PREVIOUS_INSTALLATION}/a" /a\n[ -n "$XS_PREVIOUS_INSTALLATION" ]\n:', "U1:1"),
    ("the wrong branch", "post",
     'if [ -z "$XS_PREVIOUS_INSTALLATION" ]; then\n  cp $XS_PREVIOUS_INSTALLATION/a /a\nfi', "U1:1"),
    ("writes below", "post",
     'if [ -n "$XS_PREVIOUS_INSTALLATION" ]; then\n  rm -f "$XS_PREVIOUS_INSTALLATION/a"\nfi', "U1:1"),
    ("redirects below", "post",
     '[ -z "$XS_PREVIOUS_INSTALLATION" ] || echo x > $XS_PREVIOUS_INSTALLATION/a', "U1:1"),
    ("disable on upgrade", "preun", "systemctl disable acme || :", "U4:1"),
    ("remove user on upgrade", "postun", "getent passwd acme >/dev/null && userdel acme || :", "U4:1"),
    ("rm in a function", "postun", "clean() { rm -rf /var/lib/acme; }\nclean", "U4:1"),
    ("argument of the function", "preun", 'f() {\n  if [ "$1" = 0 ]; then rm -rf /a; fi\n}\nf 0', "U4:2"),
    ("a script of the payload", "postun", "sh /opt/acme/clean.sh", "U4:1"),
    ("another number", "preun", "if [ $2 = 0 ]; then chkconfig --del acme; fi", "U4:1"),
]  # fmt: skip

GOOD = [
    ("formats of others", "post", "printf '%s' x\ndate +%F\n[ $((7 %two)) = 1 ]\n:"),
    ("modprobe that tries", "post", "modprobe -n acme || modprobe --show-depends acme || :"),
    ("modprobe on a booted host", "post", "if runlevel >/dev/null 2>&1; then\n  modprobe acme || :\nfi"),
    ("what is loaded", "post", "lsmod | grep acme || :\nip link show || :\nifconfig eth0 || :\nip addr || :"),
    ("programs that only read", "preun", "modinfo acme\nrealpath /a\ncmp /a /b\nweak-modules --help\nmktemp\n:"),
    ("a comment", "post", "# systemctl start acme\n:"),
    ("printed only", "post", "echo 'run: systemctl start acme'"),
    ("a printed ampersand", "post", 'echo "fish & chips"'),
    ("a here-document of data", "post", "cat > /etc/acme.conf <<EOF\nsystemctl start acme &\nxe host-list\nEOF\n:"),
    ("a here-document to a file and a pipe of data", "post", "cat <<EOF | sort > /etc/a\nservice acme start\nEOF\n:"),
    ("a function never called", "post", "launch() {\n    systemctl start acme\n}\n:"),
    ("after exit", "post", "exit 0\nsystemctl start acme"),
    ("and of a redirection", "post", "/sbin/ldconfig >/dev/null 2>&1"),
    ("a word of a longer name", "post", "/opt/acme/bin/systemctl-start start || :"),
    ("a unit named start", "post", "systemctl enable start.service || :"),
    ("stop", "post", "systemctl stop acme-legacy || :"),
    ("enable", "post", "systemctl --no-reload enable acme.service >/dev/null 2>&1 || :"),
    ("assigned, not run", "post", 'HELP="systemctl start acme"\n:'),
    ("grep for it", "post", "grep -q 'systemctl start' /etc/rc.local && echo old || :"),
    ("sed with an ampersand", "post", "sed -i 's/x/&y/' /etc/acme.conf || :"),
    ("and list", "post", "test -d /opt/acme && chmod 755 /opt/acme || :"),
    ("file named xe", "post", "mkdir -p /opt/xe && touch /opt/xe/xe"),
    ("xe as an argument", "post", "ln -sf /opt/acme/xe /usr/local/bin/xe"),
    ("xe on a booted host", "post", "if runlevel >/dev/null 2>&1; then\n    xe host-list || :\nfi"),
    ("xe behind runlevel &&", "post", "runlevel >/dev/null 2>&1 && xe host-list\n:"),
    ("xe behind an early end", "post", "runlevel >/dev/null 2>&1 || exit 0\nxe host-list || :"),
    ("xe behind an early end of an if", "post", "if ! runlevel; then\n    exit 0\nfi\nxe host-list || :"),
    ("xe by the status", "post", "runlevel >/dev/null 2>&1\nif [ $? -eq 0 ]; then xe host-list; fi\n:"),
    ("xe by a variable", "post", "up=no\nrunlevel >/dev/null && up=yes\nif [ $up = yes ]; then xe vm-list; fi\n:"),
    ("xe by a function", "post", "up() { runlevel >/dev/null 2>&1; }\nif up; then xe vm-list; fi\n:"),
    ("xe by the manager's folder", "post", "if [ -d /run/systemd/system ]; then xe vm-list; fi\n:"),
    ("xe by the output", "post", 'if [ "$(runlevel)" != unknown ]; then xe vm-list; fi\n:'),
    ("ssh elsewhere", "post", "echo ssh localhost"),
    ("guide's order", "post", RESTORE + ADD + SAVE),
    ("guide's order through variables", "post",
     "I=/sbin/iptables F=/etc/sysconfig/iptables\n$I-restore < $F\n$I -I INPUT -j ACCEPT\n$I-save > $F"),
    ("restore by cat", "post", "cat /etc/sysconfig/iptables | iptables-restore\n" + ADD + SAVE),
    ("restore where nothing is booted", "post", "runlevel >/dev/null 2>&1 || " + RESTORE + ADD + SAVE),
    ("saved by way of another file", "post",
     RESTORE + ADD + "iptables-save > /tmp/r && mv /tmp/r /etc/sysconfig/iptables || :"),
    ("saved through tee", "post", RESTORE + ADD + "iptables-save | tee /etc/sysconfig/iptables"),
    ("saved by a group", "post", RESTORE + ADD + "{ iptables-save; } > /etc/sysconfig/iptables"),
    ("a chain of its own", "post", RESTORE + "iptables -N acme\niptables -A acme -j ACCEPT\n" + SAVE),
    ("another table", "post", RESTORE + "iptables -t mangle -A INPUT -j MARK\n" + SAVE),
    ("a backup", "post", "iptables-save > /root/before"),
    ("the REJECT is taken out first", "post",
     RESTORE + "iptables -D INPUT -j REJECT\niptables -A INPUT -p 6 -j ACCEPT\n" + SAVE),
    ("looking only", "post", "iptables -L -n | grep -q 5900 || :"),
    ("removal saves what is loaded", "postun", 'if [ "$1" = 0 ]; then\niptables -D INPUT -j acme\n' + SAVE + "fi"),
    ("a refusal that is meant", "pre",
     "if [ ! -e /etc/xensource-inventory ]; then\n    echo 'dom0 only' >&2\n    exit 1\nfi"),
    ("a refusal by a function", "pre", "die() { echo \"$*\" >&2; exit 1; }\n[ -d /opt ] || die 'no /opt'\n:"),
    ("ldconfig alone", "post", "ldconfig"),
    ("test in an if", "post", "if [ -e /x ]; then echo there; fi"),
    ("guarded set -e", "post", "set -e\nif grep -q a /etc/passwd; then :; fi\ngrep -q b /etc/passwd || :"),
    ("a test as the last of %preun", "preun", "[ -e /x ]"),
    ("arrays, [[ and process substitution", "post", "a=(1 2)\n[[ ${a[0]} == 1 ]] && cat <(echo x)\n:"),
    ("argument tested", "preun", 'if [ "$1" = 0 ]; then systemctl disable acme; fi'),
    ("argument tested with -eq and test", "preun", "test $1 -eq 0 && chkconfig --del acme"),
    ("argument tested with x", "postun", '[ "x$1" = "x0" ] && userdel acme'),
    ("argument tested with braces", "postun", 'if [ "${1:-0}" -lt 1 ]; then rm -rf /var/cache/acme; fi'),
    ("argument in [[", "postun", "[[ $1 -eq 0 ]] && rm -rf /var/cache/acme"),
    ("argument in ((", "postun", "if (( $1 == 0 )); then rm -rf /var/cache/acme; fi"),
    ("argument by case", "preun", 'case "$1" in\n  0|remove) rm -rf /var/cache/acme ;;\nesac'),
    ("argument by an early end", "preun", '[ "$1" = 0 ] || exit 0\nrm -rf /var/cache/acme'),
    ("argument by an early end of an if", "preun", "if [ $1 -ge 1 ]; then\n  exit 0\nfi\nuserdel acme"),
    ("argument in a variable", "preun", 'left=$1\nif [ "$left" -eq 0 ]; then userdel acme; fi'),
    ("argument passed to a function", "preun", 'f() { [ "$1" = 0 ] && userdel acme; }\nf "$1"'),
    ("argument passed on", "preun", '/opt/acme/bin/preun "$1"'),
    ("argument in a function's condition", "postun", 'last() { [ "$1" = 0 ]; }\nif last "$1"; then userdel acme; fi'),
    ("a harmless body", "postun", "sh -c '/sbin/ldconfig; echo done'"),
    ("depmod", "postun", "/sbin/depmod 4.19.0+1 || :"),
    ("ldconfig and daemon-reload", "postun", "/sbin/ldconfig\nsystemctl daemon-reload >/dev/null 2>&1 || :"),
]  # fmt: skip

#: The same where an installer sets the variable.
CARELESS = [
    ("previous without a test", "post", "cp $XS_PREVIOUS_INSTALLATION/etc/a /etc/a || :", "U2:1"),
    ("previous through a variable", "post", "P=$XS_PREVIOUS_INSTALLATION\ncp -p $P/a /a || :", "U2:2"),
    ("previous tested too late", "post",
     'cp "${XS_PREVIOUS_INSTALLATION}/a" /a\n[ -n "$XS_PREVIOUS_INSTALLATION" ]\n:', "U2:1"),
    ("the wrong branch", "post",
     'if [ -z "$XS_PREVIOUS_INSTALLATION" ]; then\n  cp $XS_PREVIOUS_INSTALLATION/a /a\nfi', "U2:2"),
    ("writes below", "post",
     'if [ -n "$XS_PREVIOUS_INSTALLATION" ]; then\n  rm -f "$XS_PREVIOUS_INSTALLATION/a"\nfi', "U2:2"),
    ("redirects below", "post",
     '[ -z "$XS_PREVIOUS_INSTALLATION" ] || echo x > $XS_PREVIOUS_INSTALLATION/a', "U2:1"),
]  # fmt: skip

#: The variable is read in the right way; on releases whose installer sets it nothing is to say.
CAREFUL = [
    (
        'if [ -n "$XS_PREVIOUS_INSTALLATION" ]; then\n  cp -p "$XS_PREVIOUS_INSTALLATION/a" /a || :\nfi',
        "U1:1",
    ),
    ('[ -z "${XS_PREVIOUS_INSTALLATION}" ] && exit 0\ncp $XS_PREVIOUS_INSTALLATION/a /a', "U1:1"),
    ('if [ "x$XS_PREVIOUS_INSTALLATION" != x ]; then cp $XS_PREVIOUS_INSTALLATION/a /a; fi', "U1:1"),
    ('test -d "$XS_PREVIOUS_INSTALLATION" && cp $XS_PREVIOUS_INSTALLATION/a /a || :', "U1:1"),
    ('P=${XS_PREVIOUS_INSTALLATION:-}\nif [ "$P" ]; then cp "$P/a" /a; fi', "U1:1"),
    ('f() { [ -n "$1" ] || return 0; cp "$1/a" /a; }\nf "$XS_PREVIOUS_INSTALLATION"', "U1:2"),
    ("echo '$XS_PREVIOUS_INSTALLATION is a variable'", ""),
    ("# cp $XS_PREVIOUS_INSTALLATION/a /a\n:", ""),
]


def verdict(phase: str, text: str, profile: str = "xenserver-8", interpreter: str = "/bin/sh") -> list[str]:
    """What the S and U rules say of one scriptlet: ``rule:line``, sorted."""
    info = RpmInfo("acme", 0, "1", "1", "noarch", scripts=(Scriptlet(phase, interpreter, text),))
    context = RpmContext(info, profile_of(profile))
    found = set()
    for rule in all_rules():
        for hit in rule.on_rpm(context) if rule.id in IDS and rule.on_rpm else ():
            assert isinstance(hit, Hit) and hit.where == f"%{phase}"
            mild = hit.severity not in (None, rule.severity)
            found.add(f"{rule.id}:{hit.line}{'!' if mild else ''}")
    return sorted(found)


@pytest.mark.parametrize(("phase", "text", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_breaks_a_rule(phase: str, text: str, expected: str) -> None:
    assert verdict(phase, text) == sorted(expected.split())


@pytest.mark.parametrize(("phase", "text"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_is_harmless(phase: str, text: str) -> None:
    assert verdict(phase, text) == []


@pytest.mark.parametrize(("text", "expected"), CAREFUL)
def test_reads_the_previous_installation_with_care(text: str, expected: str) -> None:
    assert verdict("post", text) == expected.split()
    assert verdict("post", text, SETS_PREVIOUS) == []


@pytest.mark.parametrize(("phase", "text", "expected"), [row[1:] for row in CARELESS])
def test_reads_the_previous_installation_without_care(phase: str, text: str, expected: str) -> None:
    assert verdict(phase, text, SETS_PREVIOUS) == [expected]


def test_the_table_is_large_enough() -> None:
    assert len({text for _, _, text, _ in BAD}) >= 60 and len({text for _, _, text in GOOD}) >= 60


FIREWALLD = [
    ("iptables -I INPUT -j ACCEPT\n:", "S7:1"),
    (RESTORE + ADD + SAVE, "S7:1"),
    ("iptables -L >/dev/null || :", ""),
    ("iptables-save > /root/before", "S7:1"),
    ("firewall-offline-cmd --add-service=acme || :", ""),
    (f"if command -v firewall-cmd >/dev/null; then\n:\nelse\n{RESTORE}{ADD}{SAVE}fi", ""),
    (f"if [ -f /etc/sysconfig/iptables ]; then\n{RESTORE}{ADD}{SAVE}fi", ""),
]


@pytest.mark.parametrize(("text", "expected"), FIREWALLD)
def test_iptables_where_firewalld_is(text: str, expected: str) -> None:
    assert verdict("post", text, "xenserver-9") == expected.split()


@pytest.mark.parametrize("interpreter", ["<lua>", "/usr/bin/python3", "/sbin/ldconfig"])
def test_other_interpreters_are_left_alone(interpreter: str) -> None:
    assert verdict("post", "if systemctl start acme &", interpreter=interpreter) == []


def test_the_interpreter_may_set_e() -> None:
    script = "getent group acme\n:"
    assert verdict("post", script, interpreter="/bin/sh") == []
    assert verdict("post", script, interpreter="/bin/sh -e") == ["S9:1"]
