"""The groups of a pack."""

import msgspec

from xspack_tool.model.pack import Pack
from xspack_tool.repo.comps import comps_xml

PACK = Pack("acme", "1", "9a1f0f0e-0000-4000-8000-000000000001", "d", "RPM-GPG-KEY-Acme")
UPDATE = """\
<?xml version="1.0" encoding="UTF-8"?>
<comps>
  <group>
    <id>update</id>
    <name>update</name>
    <description>what xapi installs of this pack</description>
    <default>false</default>
    <uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">update-acme</packagereq>
    </packagelist>
  </group>
"""
DRIVERS = """\
  <group>
    <id>drivers</id>
    <name>drivers</name>
    <description>what the host installer loads as a driver disk</description>
    <default>false</default>
    <uservisible>true</uservisible>
    <packagelist>
      <packagereq type="mandatory">update-acme</packagereq>
    </packagelist>
  </group>
"""


def test_groups():
    assert comps_xml(PACK.groups, PACK.update_name) == UPDATE + "</comps>\n"
    assert (
        comps_xml(msgspec.structs.replace(PACK, driver_disk=True).groups, PACK.update_name)
        == UPDATE + DRIVERS + "</comps>\n"
    )
