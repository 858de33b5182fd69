"""G: the key of the pack, its file, and the signatures made with it."""

from __future__ import annotations

import datetime

from xspack_tool.rules.context import PackContext
from xspack_tool.rules.finding import Hit
from xspack_tool.rules.registry import Hits, pack_rule

_SOON = 90 * 24 * 3600
_WEAK_HASHES, _LEAST_BITS = ("MD5", "SHA1", "RIPEMD160"), 2048


@pack_rule(
    "G1",
    "E",
    meaning="hosts do not take such a key: not RSA, expired, revoked, or with a signing sub-key",
    remedy="make an RSA key that signs by itself: gpg --quick-generate-key 'Acme <..>' rsa4096 sign 10y",
    bad="an Ed25519 key; a key that expired",
    good="an RSA key of 4096 bits that expires in some years, or never",
)
def good_key(context: PackContext) -> Hits:
    key = context.key
    if key is None:
        return
    if key.algorithm != "RSA":
        yield Hit(context.key_name, f"a key of {key.algorithm}; hosts take RSA alone")
    if key.signing_subkeys:
        yield Hit(
            context.key_name, f"it signs with a sub-key ({key.signing_subkeys[0]}), which hosts do not take"
        )
    if key.revoked:
        yield Hit(context.key_name, "the key is revoked")
    if key.expires and context.now:
        day = datetime.datetime.fromtimestamp(key.expires, datetime.timezone.utc).date()
        if key.expires <= context.now:
            yield Hit(context.key_name, f"the key expired on {day}", remedy=_remedy(key.fingerprint))
        elif key.expires - context.now <= _SOON:
            text = f"the key expires on {day}: hosts reject the pack from then on"
            yield Hit(context.key_name, text, "W", remedy=_remedy(key.fingerprint))


def _remedy(fingerprint: str) -> str:
    """The file is a copy: it expires although the key in the keyring was extended."""
    extend = f"gpg --quick-set-expire {fingerprint} 10y, unless that was done"
    return f"extend the key ({extend}), then export the file again: gpg --armor --export {fingerprint}"


@pack_rule(
    "G2",
    "E",
    meaning="key, update document and signatures do not belong together",
    remedy="sign everything with the key whose public part is the armoured file that update.xml names",
    bad='key="RPM-GPG-KEY-Acme" in update.xml, the file renamed to RPM-GPG-KEY-Acme-2; an unsigned RPM',
    good="one name in both, every RPM signed by that key",
)
def signed_by_it(context: PackContext) -> Hits:
    if not context.pack.key:
        text = "the pack is not signed: no host takes it"
        yield Hit("key", text, "I", remedy="give key= before it leaves the house")
        return
    if context.key_name and context.key_name != context.pack.key:
        yield Hit("key", f"update.xml names {context.pack.key!r}, the key file is {context.key_name!r}")
    if context.key is None:
        return
    if not context.key.armoured:
        remedy = "export it with gpg --armor --export"
        yield Hit(context.key_name, "the key file is not armoured", remedy=remedy)
    key_id = context.key.fingerprint[-16:].upper()
    for info in context.signed:
        if not info.signed_by:
            yield Hit("signature", "the RPM is not signed", rpm=info.file_name)
        elif key_id not in info.signed_by:
            by = ", ".join(info.signed_by)
            yield Hit("signature", f"signed by {by}, not by {key_id}", rpm=info.file_name)


@pack_rule(
    "G3",
    "E",
    meaning="the public key file holds a secret key, or more than one key",
    remedy="export the one public key: gpg --armor --export FINGERPRINT",
    bad="a file made by gpg --export-secret-keys",
    good="a file made by gpg --armor --export FINGERPRINT",
)
def public_key_alone(context: PackContext) -> Hits:
    if context.key is None:
        return
    if context.key.has_secret:
        remedy = "take it out of every place it was copied to, and export the public key alone"
        yield Hit(context.key_name, "the key file holds a SECRET key", remedy=remedy)
    if context.key.primaries > 1:
        yield Hit(context.key_name, f"the key file holds {context.key.primaries} keys")


@pack_rule(
    "G4",
    "E",
    meaning="the policy of EL 9 and later refuses the key: RSA below 2048 bits, or certified by SHA-1 alone",
    remedy="make a key of today's gpg: gpg --quick-generate-key 'Acme <..>' rsa4096 sign 10y",
    bad="a key of 1024 bits; a key from 2012 whose user id is certified by SHA-1",
    good="gpg --export KEY | gpg --list-packets shows digest algo 8 or 10",
)
def key_of_today(context: PackContext) -> Hits:
    key = context.key
    if key is None or context.profile.crypto_policy != "el9":
        return
    where, title = context.key_name, context.profile.title
    if key.algorithm == "RSA" and key.bits < _LEAST_BITS:
        yield Hit(where, f"an RSA key of {key.bits} bits; {title} takes {_LEAST_BITS} or more")
    if key.self_hashes and all(name in _WEAK_HASHES for name in key.self_hashes):
        command = f"gpg --cert-digest-algo SHA256 --quick-set-expire {key.fingerprint} 10y"
        remedy = f"certify it anew: {command}, then export it"
        yield Hit(
            where,
            f"its user ids are certified by {', '.join(key.self_hashes)}, which {title} refuses",
            remedy=remedy,
        )
